"""One devmuxd of a test, and devmux to speak to it."""
import json
import os
import signal
import subprocess

from checks import Failure, check, equal, eventually


class Daemon:
    slowed, slowed_clients = (), ()  # what they are run by; run.py --slow

    def __init__(self, place, *args, wait=True, units=None, runtime=None, env=None, netns=None, root=True,
                 prefix=()):
        self.place = place
        self.runtime = runtime or place.dir / "run"
        self.tools = place.build / "tools"
        self._log = place.dir / "daemon.log"
        self._log_begin = self._log.stat().st_size if self._log.exists() else 0
        argv = ["ip", "netns", "exec", netns] if netns else list(prefix)
        argv += [str(self.tools / "devmuxd"), "--runtime-dir", str(self.runtime)]
        for folder in units or [place.units]:
            argv += ["--units", str(folder)]
        if root:
            argv += ["--root", str(place.root)]
        argv = [*self.slowed, *argv, *args]
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env, start_new_session=True)
        self.pid = self.process.pid
        self._barriers = 0

    def log_text(self):
        with open(self._log, "rb") as log:
            log.seek(self._log_begin)
            return log.read().decode(errors="replace")

    # -- its life ---------------------------------------------------------------------------------

    def until_up(self):
        def up():
            check(self.alive(), f"the daemon ended with {self.process.returncode}", self.log_text())
            done = self.ask("status", "--json", code=None)
            if done.returncode != 0:
                return False
            status = json.loads(done.stdout)
            return status["coldplug_complete"] or "coldplug" not in status["sources"]
        eventually(up, "the daemon is up", self.log_text)

    def alive(self):
        return self.process.poll() is None

    def terminate(self, signo=signal.SIGTERM):
        check(self.alive(), f"the daemon ended with {self.process.returncode}", self.log_text())
        self.process.send_signal(signo)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired as e:
            raise Failure(f"it does not end on signal {signo}") from e
        equal(code, 0, "exit code of the daemon after a signal")

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()
        self.killed = True

    def end(self):
        """At the end of a test: it must have lived until now, unless the test ended it."""
        if self.process.returncode is None:
            self.terminate()

    # -- asking it --------------------------------------------------------------------------------

    def argv(self, *args):
        return [*self.slowed_clients, str(self.tools / "devmux"), "--runtime-dir", str(self.runtime), *map(str, args)]

    def ask(self, *args, code=0, **more):
        more = {"env": {**os.environ, "DEVMUX_RUNTIME_DIR": ""}, "stdin": subprocess.DEVNULL, **more}
        done = subprocess.run(self.argv(*args), capture_output=True, text=True, errors="replace",
                              timeout=180, check=False, **more)
        if code is not None and done.returncode != code:
            raise Failure(f"devmux {' '.join(map(str, args))}: exit {done.returncode}, expected {code}\n"
                          f"    {done.stdout}{done.stderr}")
        return done

    def json(self, *args, code=0):
        return json.loads(self.ask(*args, "--json", code=code).stdout)

    def begin(self, *args):
        return subprocess.Popen(self.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def status(self):
        return self.json("status")

    def counters(self):
        return self.status()["counters"]

    def unit(self, name):
        return json.loads(self.ask("status", name, "--json", code=None).stdout)

    def state(self, name):
        return self.unit(name)["state"]

    def starts(self, name):
        return self.unit(name)["starts"]

    def until_state(self, name, *states):
        return eventually(lambda: (u := self.unit(name))["state"] in states and u,
                          f"{name} is {' or '.join(states)}", lambda: f"{self.unit(name)}\n{self.log_text()}")

    def until_starts(self, name, count):
        eventually(lambda: self.starts(name) >= count, f"{name} was started {count} times", self.log_text)

    def until_log(self, text, count=1):
        eventually(lambda: self.log_text().count(text) >= count, f"the daemon says {text!r}", self.log_text)

    def truth(self, condition):
        return self.json("eval", condition, code=None)["truth"]

    def wait(self, condition):
        self.ask("wait", "--timeout", "2m", condition)

    def wait_link(self, name, there=True):
        self.wait(f'{"" if there else "no "}network interface[name = "{name}"]')

    def barrier(self):
        """Everything that the kernel announced before this call has been taken in when it returns."""
        self._barriers += 1
        name = self.place.add_link(self.place.name(f"B{os.urandom(2).hex()}"), kind="bridge")
        self.wait_link(name)
        self.place.del_link(name)
        self.wait_link(name, there=False)
