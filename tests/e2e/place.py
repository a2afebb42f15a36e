"""A place of its own for one test: unit folder, init scripts, runtime folder, links, loop devices,
and the daemons that run on it.  Whatever was made is taken away at the end, failed or not.

All is uniquely named, for uevents are heard by every daemon of the machine: other tests may run beside.
"""
import collections
import fcntl
import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile

from daemon import Daemon
from checks import Failure, eventually

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81  # linux/loop.h

# What a recorder writes: when, how many arguments, the arguments, the environment. Renamed into place,
# so that who sees the file sees all of it.
RECORDER = """#!/bin/sh
t=$(date +%s%N)
{{ printf '%s\\0' "$t" "$#" "$@"; env -0; }} >"{out}/.$t.$$" && mv "{out}/.$t.$$" "{out}/$t.$$"
{then}
"""

Run = collections.namedtuple("Run", "at argv env")


def run(*argv, code=0):
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=120)
    if code is not None and done.returncode != code:
        raise Failure(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr}")
    return done


class Place:
    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="devmux-e2e-"))
        self.dir.chmod(0o755)
        self.units, self.root = self.dir / "units.d", self.dir / "root"
        self.out, self.bin = self.dir / "out", self.dir / "bin"
        for folder in (self.units, self.root / "etc/init.d", self.out, self.bin):
            folder.mkdir(parents=True)
        shutil.copytree(SOURCE / "units.d/classes.d", self.units / "classes.d")
        for file in (self.units / "classes.d").iterdir():
            file.chmod(0o644)
        self.tag = "e" + "".join(random.choices("abcdefghijkmnpqrstuvwxyz23456789", k=5))
        self.recorder = self.record_with("record")
        self._daemons, self._links, self._loops, self._netns, self._pids = [], set(), set(), [], set()
        self._numbers = itertools.count()

    # -- files ------------------------------------------------------------------------------------

    def unit(self, name, text):
        path = self.units / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
        path.chmod(0o644)
        return path

    def program(self, name, text, folder=None):
        path = (folder or self.bin) / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def record_with(self, name, then=""):
        return self.program(name, RECORDER.format(out=self.out, then=then))

    def init_script(self, name, then=""):
        text = RECORDER.format(out=self.out, then=then)
        return self.program(name, text, self.root / "etc/init.d")

    def command(self, stop=False, then=None, word=""):
        """The YAML of a command that records how it was called."""
        program = self.recorder if then is None else self.record_with(f"r{next(self._numbers)}", then)
        ending = f', stop: [{program}, stop{", " + word if word else ""}]' if stop else ""
        return f'command: {{start: [{program}, start{", " + word if word else ""}]{ending}}}\n'

    def runs(self, unit=None, verb=None):
        """What recorders recorded, in order of time."""
        found = []
        for path in self.out.iterdir():
            if path.name.startswith("."):
                continue
            at, count, *rest = path.read_bytes().decode(errors="surrogateescape").split("\0")
            argv = rest[:int(count)]
            env = dict(v.split("=", 1) for v in rest[int(count):] if "=" in v)
            found.append(Run(int(at) / 1e9, argv, env))
        return sorted((r for r in found if unit in (None, r.env.get("DEVMUX_UNIT")) and
                       verb in (None, r.argv[0])), key=lambda r: r.at)

    def until_runs(self, unit, count, verb=None):
        eventually(lambda: len(self.runs(unit, verb)) >= count,
                   f"{count} runs of {unit} {verb or ''}", lambda: str(self.runs(unit, verb)))
        return self.runs(unit, verb)

    def owns_process(self, pid):
        self._pids.add(pid)

    # -- devices ----------------------------------------------------------------------------------

    def name(self, suffix):
        return f"{self.tag}{suffix}"[:15]

    def loops(self):
        return sorted(self._loops)

    def add_link(self, suffix, netns=None, kind="veth"):
        """A link of the test's own; its peer, of a veth, is called the same and "Q" behind."""
        name = suffix if suffix.startswith(self.tag) else self.name(suffix)
        peer = ["peer", "name", name[:14] + "Q"] if kind == "veth" else []
        self._links.add(name)
        run("ip", *(["-n", netns] if netns else []), "link", "add", name, "type", kind, *peer)
        return name

    def del_link(self, name, netns=None):
        run("ip", *(["-n", netns] if netns else []), "link", "del", name)

    def rename_link(self, old, new):
        self._links.add(new)
        run("ip", "link", "set", old, "name", new)

    def add_loop(self, wanted=None):
        while True:
            number = wanted or random.randrange(10000, 900000)
            with open("/dev/loop-control", "rb") as control:
                try:
                    fcntl.ioctl(control, LOOP_CTL_ADD, number)
                except FileExistsError:
                    continue
            self._loops.add(number)
            return number

    def del_loop(self, number):
        def gone():
            with open("/dev/loop-control", "rb") as control:
                try:
                    fcntl.ioctl(control, LOOP_CTL_REMOVE, number)
                except OSError:  # somebody looks at it just now
                    return not os.path.exists(f"/sys/block/loop{number}")
            return True
        eventually(gone, f"loop{number} goes")
        self._loops.discard(number)

    def new_netns(self):
        name = self.name(f"ns{len(self._netns)}")
        run("ip", "netns", "add", name)
        self._netns.append(name)
        return name

    # -- daemons ----------------------------------------------------------------------------------

    def daemon(self, *args, **more):
        new = Daemon(self, *args, **more)
        self._daemons.append(new)
        if more.get("wait", True):
            new.until_up()
        return new

    def log(self):
        return "".join(d.log_text() for d in self._daemons)

    def __enter__(self):
        return self

    def __exit__(self, kind, _, __):
        try:
            for daemon in self._daemons:
                if kind is None:
                    daemon.end()
                else:
                    daemon.kill()
        finally:
            self._clean()

    def _clean(self):
        for daemon in self._daemons:
            daemon.kill()
        for pid in self._pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for name in self._netns:
            run("ip", "netns", "del", name, code=None)
        there = os.listdir("/sys/class/net")
        for name in there:
            if name in self._links and name in os.listdir("/sys/class/net"):
                run("ip", "link", "del", name, code=None)
        for number in list(self._loops):
            self.del_loop(number)
        # Jobs that the daemons left behind may still write; each is done in a moment.
        eventually(lambda: shutil.rmtree(self.dir, ignore_errors=True) or not self.dir.exists(),
                   f"{self.dir} goes")
