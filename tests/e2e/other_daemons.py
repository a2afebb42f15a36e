"""The client at a daemon of before, as after an upgrade without a restart, and at one that does not answer."""
import contextlib
import copy
import select
import socket
import threading

from checks import check, contains, equal, eventually, test

# What answers did not tell at first.
ADDED = [f'"{key}":'.encode() for key in ("absent", "takes_down", "if_missing", "chosen_by", "chosen", "requires", "wants", "after",
                                          "before", "conflicts", "provides", "then", "on_failure")]


class Listener:
    """A daemon's socket in a folder of its own: `serve` is called with each connection, in a thread."""

    def __init__(self, folder, serve):
        folder.mkdir()
        self.runtime, self.connections, self._serve = folder, [], serve
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(folder / "bus"))
        self._socket.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in (self._socket, *self.connections):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()


def forget(text):
    """The answer of a daemon that knew none of these keys; as long as before, for the length stands in front."""
    for key in ADDED:
        text = text.replace(key, b'"' + b"_" * (len(key) - 3) + b'":')
    return text


def whole(text):
    """How much of it holds no key that is cut off at the end."""
    return min((len(text) - n for key in ADDED for n in range(1, len(key)) if text.endswith(key[:n])), default=len(text))


def of_before(daemon):
    """Passes on what is said to the daemon, and its answers without the keys that were added."""
    def serve(client):
        rest = b""
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(str(daemon.runtime / "bus"))
            try:
                while True:
                    ready, _, _ = select.select([client, server], [], [])
                    if client in ready:
                        if not (asked := client.recv(65536)):
                            break
                        server.sendall(asked)
                    if server in ready:
                        if not (told := server.recv(65536)):
                            break
                        rest = forget(rest + told)
                        client.sendall(rest[:whole(rest)])
                        rest = rest[whole(rest):]
            except (OSError, ValueError):  # the test is over
                pass
            client.close()
    return serve


def silent(client):
    """Lets the client in, and says no more."""
    asked = b""
    while b"BEGIN\r\n" not in asked:
        if not (more := client.recv(4096)):
            return
        asked += more
    with contextlib.suppress(OSError):  # it has gone again
        client.sendall((b"DATA\r\n" if b"\nDATA\r\n" in asked else b"") + b"OK " + b"0" * 32 + b"\r\nAGREE_UNIX_FD\r\n")


def at(listener, daemon):
    """Whoever asks this one speaks to the listener."""
    other = copy.copy(daemon)
    other.runtime = listener.runtime
    return other


@test
def of_before_the_upgrade(p):
    """What is not told is not shown; and nothing fails for that, least of all what waits in a boot script."""
    choice = p.root / "etc/choice"
    choice.write_text("/usr/sbin/dm\n")
    p.init_script("dm")
    p.unit("dm", "init-script: dm\nchosen-by: /etc/choice\nrequires: u\n")
    p.unit("u", p.command(stop=True))
    d = p.daemon()
    d.ask("start", "dm")
    with Listener(p.dir / "before", of_before(d)) as before:
        d = at(before, d)
        equal("absent" in d.json("eval", "unit u active"), False, "it does not tell")
        equal("chosen" in d.unit("dm"), False, "it does not tell")
        equal(d.ask("wait", "--timeout", "2m", "unit dm active").stderr, "", "wait")
        contains(d.ask("wait", "--timeout", "50ms", "unit helo active", code=124).stderr, "still not so", "wait for one that is not there")
        contains(d.ask("eval", "unit u active").stdout, "true: unit u active", "eval")
        contains(d.ask("list").stdout, "init-script dm  ", "list")
        contains(d.ask("status", "dm").stdout, "      starts: init-script dm\n", "status")
        d.ask("status")
        d.ask("explain", "dm")


@test
def that_does_not_answer(p):
    """Whoever waits for a unit waits no longer than who waits for something else."""
    with Listener(p.dir / "silent", silent) as listener:
        d = at(listener, p.daemon())
        tried = [d.begin("wait", "--timeout", "4s", "unit u active")]
        eventually(lambda: len(listener.connections) == 1, "the first asks")
        tried.append(d.begin("wait", "--timeout", "5m", "mouse"))
        # Both ask once more, over another connection, what is missing: when their time is over.
        try:
            contains(tried[0].stderr.readline(), "after 4s it is still not so", "the first")
            equal(tried[1].poll(), None, "the other waits")
            check(not select.select([tried[1].stderr], [], [], 0)[0], "and its time is not over yet")
        finally:
            for client in tried:
                client.kill()
                client.wait()
