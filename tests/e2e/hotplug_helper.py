#!/usr/bin/env python3
"""devmux-hotplug as device managers call it, without a daemon: the tests are at the other end of its socket.

    tests/e2e/hotplug_helper.py --build build [NAME ...]

The kernel's call is made by hand, for few kernels make it any more; busybox mdev is the real one, in a mount
namespace with /dev and /etc of its own.  DEVMUX_HOTPLUG=PATH takes another helper than the build's."""
import argparse
import ctypes
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time

from checks import PATIENCE, TESTS, check, contains, equal, eventually, test

CLONE_NEWNET = 0x40000000
KERNELS_OWN = {"HOME": "/", "PATH": "/sbin:/bin:/usr/sbin:/usr/bin"}  # kobject_uevent_env()
NEVER = {"PATH", "HOME", "MDEV", "PWD", "OLDPWD", "SHLVL", "USER", "LOGNAME", "SHELL", "TERM", "_"}


def event(number, action="add", **more):
    """The variables of a device's event, in the kernel's order."""
    return {"ACTION": action, "DEVPATH": f"/devices/pci0000:00/0000:00:14.0/usb1/1-1/n{number}", "SUBSYSTEM": "usb",
            "MAJOR": "189", "MINOR": str(number), "DEVNAME": f"bus/usb/001/{number:03}", "DEVTYPE": "usb_device",
            "NAME": "a \"device\" of=many $(words) \u00fc", **more, "SEQNUM": str(number)}


class Listener:
    """The daemon's end. In `own_network` its queue has the kernel's default length, whatever the machine has."""

    def __init__(self, folder, own_network=False):
        self.path = folder / "hotplug"
        if own_network:
            thread = threading.Thread(target=self._bind, args=(True,))
            thread.start()
            thread.join()
        else:
            self._bind()

    def _bind(self, own_network=False):
        if own_network and ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path.unlink(missing_ok=True)
        self.socket.bind(str(self.path))
        self.socket.settimeout(PATIENCE)

    def next(self):
        """The next event as (header, variables); each variable is there once."""
        data = self.socket.recv(65536).decode(errors="surrogateescape")
        equal(data[-1:], "\0", "the end of a message")
        header, *variables = data[:-1].split("\0")
        names = [v.split("=", 1)[0] for v in variables]
        equal(len(set(names)), len(names), f"names that are there once: {names}")
        equal([n for n in names if n in NEVER or n.startswith(("LD_", "DEVMUX_"))], [], "the process's own variables")
        return header, dict(v.split("=", 1) for v in variables)

    def expect(self, variables):
        header, found = self.next()
        equal(header, f"{variables['ACTION']}@{variables['DEVPATH']}", "header")
        equal(found, variables, "variables")
        equal(list(found)[:3], ["ACTION", "DEVPATH", "SUBSYSTEM"], "what comes first")

    def expect_nothing(self):
        """There is nothing, and since nobody is left to send, there will be nothing."""
        self.socket.setblocking(False)
        try:
            check(False, "nothing is sent", self.socket.recv(65536))
        except BlockingIOError:
            self.socket.settimeout(PATIENCE)


class Helper:
    """The helper under a path of this test's own, so that its processes can be told from others'."""

    def __init__(self, place):
        self.place = place
        built = os.environ.get("DEVMUX_HOTPLUG") or place.build / "tools/hotplug/devmux-hotplug"
        self.path = place.bin / "devmux-hotplug"
        shutil.copy(built, self.path)
        self.folder = place.dir / "run"
        self.folder.mkdir(mode=0o755)

    def argv(self, *args):
        return [str(self.path), "--runtime-dir", str(self.folder), *args]

    def run(self, env, *args, code=0, argv=None, **more):
        """It ends at once, with somebody listening or without, and leaves no pipe open: run() reads them."""
        done = subprocess.run(argv or self.argv(*args), env={**env, **KERNELS_OWN}, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=PATIENCE, check=False, **more)
        self.note_pids()
        error = done.stderr.decode(errors="replace")
        equal(done.returncode, code, f"exit status of {' '.join(args)} ({error})")
        return error

    def say_nothing(self, env, *args, **more):
        equal(self.run(env, *args, **more), "", "what is said")

    def waiting(self):
        """The processes that still try."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "exe") == str(self.path):
                    found.append(int(entry.name))
            except OSError:
                pass  # it is no more, or none of ours
        return found

    def note_pids(self):
        for pid in self.waiting():
            self.place.owns_process(pid)  # in case the test fails

    def until_waiting(self, count):
        eventually(lambda: len(self.waiting()) == count, f"{count} helpers wait", lambda: str(self.waiting()))
        return self.waiting()


def shell(script, *namespaces):
    """A shell in namespaces of its own; nothing that it mounts is seen outside."""
    return ["unshare", "--mount", "--propagation", "private", *namespaces, "sh", "-euc", script]


def private_dev(p, *names):
    """A folder to be mounted over /dev, with /dev/null and empty files of these names."""
    dev = p.dir / "dev"
    dev.mkdir(exist_ok=True)
    if not (dev / "null").exists():
        os.mknod(dev / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for name in names:
        (dev / name).write_text("")
    return dev


# -- The kernel's call ----------------------------------------------------------------------------------


@test
def as_the_kernel_calls(p):
    """The variables as they are, `add` to `unbind`, a subsystem only in the argument, no argument at all."""
    h = Helper(p)
    listener = Listener(h.folder)
    for number, action in enumerate(("add", "remove", "change", "online", "offline", "bind", "unbind", "explode")):
        h.say_nothing(event(number, action), "usb")
        listener.expect(event(number, action))
    h.say_nothing(event(9, "move", DEVPATH_OLD="/devices/old"), "usb")
    listener.expect(event(9, "move", DEVPATH_OLD="/devices/old"))
    h.say_nothing(event(10, SYNTH_UUID="0"))
    listener.expect(event(10, SYNTH_UUID="0"))
    without = event(11)
    del without["SUBSYSTEM"]
    h.say_nothing(without, "usb")
    listener.expect(event(11))
    only = {"ACTION": "add", "DEVPATH": "/devices/x", "SUBSYSTEM": "y"}
    h.say_nothing(only, "another, of which the variable is right")
    listener.expect(only)
    listener.expect_nothing()
    equal(h.waiting(), [], "who waits")


@test
def with_no_descriptor_open(p):
    """As the kernel executes it. Its socket must not become descriptor 2, nor a message part of an event."""
    h = Helper(p)
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *h.argv("usb")]
    listener = Listener(h.folder)
    h.say_nothing(event(1), argv=closed)
    listener.expect(event(1))
    # It has something to say here, and must say it to the log.
    dev = private_dev(p, "kmsg")
    argv = shell(f'mount --bind {dev} /dev; exec "$@" <&- >&- 2>&-')
    h.say_nothing(event(2, LONG="x" * 8150), argv=[*argv, "sh", *h.argv("usb")])
    listener.expect(event(2))
    contains((dev / "kmsg").read_text(), "<28>devmux-hotplug: 1 of the variables do not fit", "the kernel's log")
    h.say_nothing({"ACTION": "add"}, argv=[*argv, "sh", *h.argv("usb")], code=2)
    contains((dev / "kmsg").read_text(), "DEVPATH is not in the environment", "the kernel's log")
    listener.socket.close()
    h.say_nothing(event(3), argv=closed)
    pid, = h.until_waiting(1)
    eventually(lambda: os.readlink(f"/proc/{pid}/cwd") == "/", "it is in no directory that could be unmounted")
    descriptors = {int(n): os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
    check(descriptors.pop(3).startswith("socket:"), "its socket is 3", descriptors)
    descriptors = {n: to for n, to in descriptors.items() if n < 3}  # others: it looks at the way right now
    equal(descriptors, {0: "/", 1: "/", 2: "/"}, "the others lead nowhere")
    Listener(h.folder).expect(event(3))


@test
def a_large_environment(p):
    """What does not fit is left out, said, and nothing else suffers; too many variables likewise."""
    h = Helper(p)
    listener = Listener(h.folder)
    said = h.run({"BIG": "x" * 9000, **event(1)}, "usb")
    contains(said, '1 of the variables do not fit into the 8192 bytes of an event and are left out: "BIG=xxx', "said")
    listener.expect(event(1))
    many = {f"V{i:03}": "1" for i in range(400)}
    contains(h.run({**many, **event(2)}, "usb"), "153 of the variables do not fit", "said")
    _, found = listener.next()
    equal(len(found), 256, "variables")
    equal({k: found.get(k) for k in ("SEQNUM", "DEVNAME")}, {k: event(2)[k] for k in ("SEQNUM", "DEVNAME")}, "first")
    long = "/devices/" + "x" * 4070
    contains(h.run({**event(3), "DEVPATH": long}, "usb", code=2), "expected an event of at most 8192 bytes", "said")
    h.run({**event(4), "DEVPATH": long[:4000]}, "usb")
    listener.expect({**event(4), "DEVPATH": long[:4000]})


@test
def wrong_use(p):
    h = Helper(p)
    listener = Listener(h.folder)
    good = event(1)

    def without(*names):
        return {k: v for k, v in good.items() if k not in names}

    for env, args, expected in [
            (without("ACTION"), ["usb"], "ACTION is not in the environment: expected what happened"),
            (without("DEVPATH"), ["usb"], "DEVPATH is not in the environment"),
            (without("SUBSYSTEM"), [], "SUBSYSTEM is not in the environment: expected it there, or as an argument"),
            ({}, ["usb"], "ACTION is not in the environment"),
            ({**good, "DEVPATH": "devices/x"}, ["usb"], 'DEVPATH="devices/x": expected a path that begins with /'),
            ({**good, "DEVPATH": "/devices/../x"}, ["usb"], "no component . or .."),
            ({**good, "DEVPATH": "/devices//x"}, ["usb"], "a name between two slashes"),
            ({**good, "DEVPATH": "/devices/x/"}, ["usb"], "and after the last one"),
            ({**good, "DEVPATH": "/sys/devices/x"}, ["usb"], "without /sys itself"),
            ({**good, "DEVPATH": "/" + "x" * 4096}, ["usb"], "at most 4096 bytes"),
            ({**good, "DEVPATH": "x\x1b[2J\ny"}, ["usb"], 'DEVPATH="x\\x1b[2J\\x0ay"'),
            ({**good, "ACTION": ""}, ["usb"], 'ACTION="": expected a word like add'),
            ({**good, "ACTION": "add@/x"}, ["usb"], "expected a word like add"),
            ({**good, "SUBSYSTEM": "a/b"}, ["usb"], "the name of a subsystem"),
            ({**good, "SEQNUM": "-1"}, ["usb"], 'SEQNUM="-1": expected a number of 64 bits'),
            ({**good, "SEQNUM": "18446744073709551616"}, ["usb"], "a number of 64 bits"),
            ({**good, "ACTION": "move"}, ["usb"], "DEVPATH_OLD is not in the environment: expected with ACTION=move"),
            ({**good, "ACTION": "move", "DEVPATH_OLD": "x"}, ["usb"], 'DEVPATH_OLD="x": expected a path'),
            (good, ["usb", "net"], 'one argument too many, "net": expected one at most, the subsystem'),
            (good, ["--frob", "usb"], 'unknown option "--frob": expected --runtime-dir, --retry'),
            (good, ["--retry", "31"], "expected a whole number of seconds from 0 to 30"),
            (good, ["--retry=-1"], "expected a whole number"),
            (good, ["--retry=1s"], "expected a whole number"),
            (good, ["usb", "--retry"], "expected a whole number"),
            (good, ["--runtime-dir", "run"], '--runtime-dir "run": expected a path that begins with /'),
            (good, ["--runtime-dir"], "expected a path that begins with /")]:
        said = h.run(env, *args, code=2)
        contains(said, "devmux-hotplug: ", "who says it")
        contains(said, expected, f"what {args} says")
        equal(len(said.splitlines()), 2, f"lines: {said}")
    listener.expect_nothing()
    equal(h.waiting(), [], "who waits")
    for option, expected in (("--help", "Usage: devmux-hotplug"), ("-h", "devmux-hotplug(8)"),
                             ("--version", "devmux-hotplug ")):
        done = subprocess.run([h.path, option], env={}, capture_output=True, text=True, check=True)
        contains(done.stdout, expected, option)
        equal(done.stderr, "", option)


# -- Where it sends to --------------------------------------------------------------------------------------


@test
def which_directory(p):
    """The option, else the variable, else the default; and never one that somebody else could have chosen."""
    h = Helper(p)
    other = p.dir / "other"
    other.mkdir()
    listeners = {folder: Listener(folder) for folder in (h.folder, other)}
    env = {**event(1), "DEVMUX_RUNTIME_DIR": str(other)}
    h.say_nothing(env, argv=[h.path, "usb"])
    listeners[other].expect(event(1))
    h.say_nothing(env, "usb")
    listeners[h.folder].expect(event(1))
    h.say_nothing(env, argv=[h.path, f"--runtime-dir={h.folder}/../run//", "usb"])
    listeners[h.folder].expect(event(1))

    (p.dir / "link").symlink_to("run")
    (p.dir / "link2").symlink_to(f"{p.dir}/link/")
    h.say_nothing(env, argv=[h.path, "--runtime-dir", p.dir / "link2", "usb"])
    listeners[h.folder].expect(event(1))

    shared = p.dir / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(h.folder)
    (shared / "real").mkdir(mode=0o755)
    (p.dir / "through").symlink_to(shared / "link")
    (p.dir / "loop").symlink_to("loop")
    (p.dir / "file").write_text("")
    theirs = p.dir / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    for folder in ("shared/link", "through"):
        said = h.run(env, argv=[h.path, "--runtime-dir", p.dir / folder, "usb"], code=1)
        contains(said, "is behind a symbolic link that others may change", folder)
        contains(said, f'lost event 1, add "{event(1)["DEVPATH"]}"', folder)
    for folder in ("shared", "theirs"):
        said = h.run(env, argv=[h.path, "--runtime-dir", p.dir / folder, "usb"], code=1)
        contains(said, "belongs to another user, or others may write into it", folder)
    for folder, why in (("loop", "ymbolic link"), ("file", "ot a directory"), ("x" * 300, "ame too long")):
        contains(h.run(env, argv=[h.path, "--runtime-dir", p.dir / folder, "usb"], code=1), why, folder)
    real = Listener(shared / "real")
    h.say_nothing(env, argv=[h.path, "--runtime-dir", shared / "real", "usb"])
    real.expect(event(1))

    (other / "hotplug").unlink()
    (other / "hotplug").symlink_to(h.folder / "hotplug")
    contains(h.run(env, argv=[h.path, "usb"], code=1), f"{other}/hotplug: is no socket", "a link")
    (other / "hotplug").unlink()
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.bind(str(other / "hotplug"))
    stream.listen()
    contains(h.run(env, argv=[h.path, "usb"], code=1), "is a socket of another type", "a stream")
    os.chmod(h.folder / "hotplug", 0o600)
    contains(h.run(env, "usb", code=1, user=65534), "/hotplug: may not be used by this user", "another user")
    listeners[h.folder].expect_nothing()
    equal(h.waiting(), [], "who waits")


# -- Nobody listens, or the queue is full ----------------------------------------------------------------


@test
def a_daemon_that_comes_later(p):
    """No directory, then no socket, then one that nobody reads any more, then a daemon: delivered once."""
    h = Helper(p)
    h.folder.rmdir()
    h.say_nothing(event(1), "usb")
    pid, = h.until_waiting(1)
    equal(os.getsid(pid), pid, "its session is its own")
    time.sleep(0.3)  # nothing waits for this to pass: it shall look around in vain, several times
    h.folder.mkdir()
    time.sleep(0.3)
    Listener(h.folder).socket.close()
    time.sleep(0.4)
    equal(h.waiting(), [pid], "it waits on")
    listener = Listener(h.folder)
    listener.expect(event(1))
    h.until_waiting(0)
    listener.expect_nothing()


@test
def three_hundred_at_once(p):
    """A queue of eleven and a daemon that reads nothing for a while: nobody is kept waiting, nothing is lost."""
    h = Helper(p)
    listener = Listener(h.folder, own_network=True)
    callers = [subprocess.Popen(h.argv("usb"), env={**event(i), **KERNELS_OWN}, stdin=subprocess.DEVNULL)
               for i in range(300)]
    equal({caller.wait(PATIENCE) for caller in callers}, {0}, "exit statuses")
    h.note_pids()
    equal(len(h.until_waiting(300 - 11)), 289, "who waits")
    found = [listener.next()[1] for _ in range(300)]
    equal(sorted(int(e["SEQNUM"]) for e in found), list(range(300)), "delivered once each")
    h.until_waiting(0)
    listener.expect_nothing()


@test
def a_reader_that_is_exchanged(p):
    """Who waits in a full queue of a daemon that ends goes to the next one."""
    h = Helper(p)
    first = Listener(h.folder, own_network=True)
    for i in range(20):
        h.say_nothing(event(i), "usb")
    h.until_waiting(20 - 11)
    first.expect(event(0))
    eventually(lambda: len(h.waiting()) == 20 - 12, "the first in line is let in")
    second = Listener(h.folder, own_network=True)
    first.socket.close()  # with what is in it: those were delivered
    found = {int(second.next()[1]["SEQNUM"]) for _ in range(20 - 12)}
    check(len(found) == 8 and found <= set(range(11, 20)), "those that waited", found)
    h.until_waiting(0)
    second.expect_nothing()


@test
def a_retry_is_killed(p):
    h = Helper(p)
    h.say_nothing(event(1), "usb")
    pid, = h.until_waiting(1)
    h.say_nothing(event(2), "usb")
    h.until_waiting(2)
    os.kill(pid, 9)
    h.until_waiting(1)
    listener = Listener(h.folder)
    listener.expect(event(2))
    h.until_waiting(0)
    listener.expect_nothing()


@test
def what_is_lost_is_told(p):
    """At once where nothing may be tried again; after its time in the kernel's log, or where that cannot be, in
    syslog's. One line for each event."""
    h = Helper(p)
    said = h.run(event(7), "--retry", "0", "usb", code=1)
    equal(said, f'devmux-hotplug: nobody listened at {h.folder}/hotplug: lost event 7, add '
                f'"{event(7)["DEVPATH"]}"\n    is devmuxd running?\n', "said")
    unnumbered = {"ACTION": "add", "DEVPATH": "/devices/x", "SUBSYSTEM": "y"}
    contains(h.run(unnumbered, "--retry", "0", code=1), 'lost event without number, add "/devices/x"', "said")

    dev = private_dev(p, "kmsg")
    argv = shell(f'mount --bind {dev} /dev; exec "$@"')
    h.say_nothing(event(8), argv=[*argv, "sh", *h.argv("--retry", "1", "usb")])
    h.until_waiting(0)
    equal((dev / "kmsg").read_text(), f'<28>devmux-hotplug: nobody listened at {h.folder}/hotplug for 1 s: lost event '
                                      f'8, add "{event(8)["DEVPATH"]}"; is devmuxd running?\n', "the kernel's log")

    (dev / "kmsg").unlink()
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(str(dev / "log"))
    log.settimeout(PATIENCE)
    listener = Listener(h.folder, own_network=True)
    for i in range(11):
        h.say_nothing(event(i), "usb")
    h.say_nothing(event(11), argv=[*argv, "sh", *h.argv("--retry", "1", "usb")])
    line = log.recv(4096).decode()
    equal(line, f'<28>devmux-hotplug: the queue was full at {h.folder}/hotplug for 1 s: lost event 11, add '
                f'"{event(11)["DEVPATH"]}"; devmuxd is busy or stopped: devmux status', "syslog")
    h.until_waiting(0)
    for i in range(11):
        listener.expect(event(i))
    listener.expect_nothing()


# -- Device managers ---------------------------------------------------------------------------------------


def mdev(p, rules):
    """The begin of a script that has busybox's mdev with these rules, and /dev and /etc of its own."""
    etc = p.dir / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "mdev.conf").write_text(rules)
    return f"mount --bind {private_dev(p)} /dev; mount --bind {etc} /etc; "


def has_mdev(*options):
    if not shutil.which("busybox"):
        print("     skipped: no busybox")
        return False
    done = subprocess.run(["busybox", "mdev", "--help"], capture_output=True, text=True, check=False)
    has = all(option in done.stderr + done.stdout for option in options)
    if not has:
        print("     skipped: this busybox has no mdev, or not all of it")
    return has


@test
def through_mdev_as_the_kernels_helper(p):
    """mdev adds MDEV and a shell in between; which of its three marks runs for what; and `mdev -s`."""
    if not has_mdev("mdev.conf"):
        return
    h = Helper(p)
    listener = Listener(h.folder)
    number = 0
    for mark, action, heard in (("@", "add", True), ("@", "remove", False), ("$", "remove", True), ("$", "add", False),
                                ("*", "add", True), ("*", "remove", True), ("*", "change", True), ("*", "bind", True)):
        number += 1
        begin = mdev(p, f"-DEVPATH=.*;.* 0:0 660 {mark}{' '.join(h.argv())}\nn[0-9]+ 0:0 640 =moved/\n.* 0:0 600\n")
        argv = shell(begin + "exec busybox mdev <&- >&- 2>&-")
        h.say_nothing(event(number, action), argv=argv)
        if heard:
            listener.expect(event(number, action))
    argv = shell(begin + "exec busybox mdev -s")
    equal(h.run({}, argv=argv), "", "what mdev -s has to say of a rule for events")
    check((p.dir / "dev" / "null").exists(), "it made its nodes")
    listener.expect_nothing()


@test
def through_mdev_as_a_daemon(p):
    """Real events of a link in a network namespace of its own, which mdev hears and hands on; nobody listens when
    the first comes."""
    if not has_mdev("-d"):
        return
    h = Helper(p)
    name = p.name("b")
    begin = mdev(p, f"-DEVPATH=/{name}$;.* 0:0 660 *{' '.join(h.argv())} \"$SUBSYSTEM\"\n")
    argv = shell(begin + f"busybox mdev -d; ip link add {name} type bridge; ip link del {name}; read ended",
                    "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
    env = {**os.environ, "SOMETHING": "of the parent's own", "LD_BIND_NOW": "1", "DEVMUX_X": "y"}
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE) as process:
        try:
            h.until_waiting(2)
            listener = Listener(h.folder)
            found = sorted((listener.next() for _ in range(2)), key=lambda e: int(e[1]["SEQNUM"]))
            equal([header for header, _ in found], [f"add@/devices/virtual/net/{name}",
                                                    f"remove@/devices/virtual/net/{name}"], "events")
            for _, variables in found:
                equal((variables["SUBSYSTEM"], variables["INTERFACE"]), ("net", name), "variables")
                check("IFINDEX" in variables, "variables", variables)
            h.until_waiting(0)
            listener.expect_nothing()
        finally:
            process.communicate(b"\n", PATIENCE)
    equal(process.returncode, 0, "exit status of the script")


def main():
    from run import run_one  # pylint: disable=import-outside-toplevel  it imports the other tests
    parser = argparse.ArgumentParser(description="tests of devmux-hotplug")
    parser.add_argument("--build", required=True, help="build folder; its tools/hotplug/devmux-hotplug")
    parser.add_argument("names", nargs="*", help="parts of names of tests")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("root is needed: other users are tried, and namespaces made")
        return 1
    mine = [(f"hotplug_helper/{f.__name__}", f) for _, f in TESTS if f.__module__ == __name__]
    results = [run_one(n, f, options.build, 30) for n, f in mine
               if not options.names or any(part in n for part in options.names)]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) and results else 1


if __name__ == "__main__":
    sys.exit(main())
