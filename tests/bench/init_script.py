#!/usr/bin/env python3
"""What devmuxd adds to an init script: N of them are started by one condition, and by a bare shell, in turns.

    tests/bench/init_script.py --build build-bench [N]

Prints the CPU time of one start, everything that runs for it included, the best of five turns, and the
ratio; of a script that does nothing, and of one that reads what Debian's read first. A ratio of one run
can be compared with another's, a time cannot. Ours is to be 1.1 at most, with a release build.
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import time

FUNCTIONS = """log_daemon_msg() { :; }
log_end_msg() { :; }
pidofproc() { [ -e "$2" ] && read -r pid <"$2" && kill -0 "$pid"; }
[ ! -e /lib/lsb/init-functions ] || . /lib/lsb/init-functions
[ ! -e /etc/default/rcS ] || . /etc/default/rcS
"""
SCRIPTS = {"does nothing": "", "reads init-functions": FUNCTIONS}
TICK = os.sysconf("SC_CLK_TCK")

parser = argparse.ArgumentParser()
parser.add_argument("--build", required=True)
parser.add_argument("n", nargs="?", type=int, default=300)
options = parser.parse_args()
tools = pathlib.Path(options.build).resolve() / "tools"


class Place:
    """N units for N init scripts, which wait for one file."""

    def __init__(self, text):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="devmux-bench-"))
        self.scripts = [self.dir / f"root/etc/init.d/s{i}" for i in range(options.n)]
        for folder in ("units.d/classes.d", "root/etc/init.d"):
            (self.dir / folder).mkdir(parents=True)
        (self.dir / "units.d/classes.d/disk.yaml").write_text("class: disk\ndescription: d\nsubsystem: block\n")
        for script in self.scripts:
            script.write_text(f"#!/bin/sh\n{text}case $1 in start) exit 0 ;; stop) exit 0 ;; esac\n")
            script.chmod(0o755)
            (self.dir / f"units.d/{script.name}.yaml").write_text(
                f"description: d\nwhile: file /go exists\ninit-script: {script.name}\n")
        self.daemon = subprocess.Popen(
            [tools / "devmuxd", "--runtime-dir", self.dir / "run", "--units", self.dir / "units.d", "--root",
             self.dir / "root", "--sources", "coldplug", "--parallel", "1"], stderr=subprocess.DEVNULL)
        self.until(lambda: self.ask("status")["coldplug_complete"])

    def until(self, is_so):
        while True:
            try:
                if is_so():
                    return
            except (ValueError, KeyError):
                assert self.daemon.poll() is None, "the daemon has ended"
            time.sleep(0.1)

    def ask(self, *words):
        return json.loads(subprocess.run([tools / "devmux", "--runtime-dir", self.dir / "run", *words, "--json"],
                                         capture_output=True, check=False).stdout)

    def spent(self):
        """CPU seconds of the daemon, and of what it has started and seen end."""
        stat = pathlib.Path(f"/proc/{self.daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, stat[11:15])) / TICK

    def all_in(self, state):
        self.until(lambda: all(unit["state"] == state for unit in self.ask("list")))

    def by_devmux(self):
        # The questions are asked alike without any starts, and taken off.
        before = self.spent()
        (self.dir / "root/go").touch()
        began = time.monotonic()
        while any(unit["state"] != "active" for unit in self.ask("list")):
            time.sleep(0.3)
        spent, took = self.spent() - before, time.monotonic() - began
        before, asked = self.spent(), max(1, round(took / 0.3))
        for _ in range(asked):
            self.ask("list")
        spent -= self.spent() - before
        (self.dir / "root/go").unlink()
        self.all_in("waiting")
        return spent / options.n

    def by_shell(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["sh", "-c", 'for script; do "$script" start; done', "sh", *self.scripts], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / options.n

    def end(self):
        self.daemon.kill()
        self.daemon.wait()
        subprocess.run(["rm", "-rf", self.dir], check=True)


for name, text in SCRIPTS.items():
    place = Place(text)
    try:
        turns = [(place.by_devmux(), place.by_shell()) for _ in range(5)]
        ours, bare = (min(turn[i] for turn in turns) * 1000 for i in (0, 1))
        print(f"{ours / bare:6.2f}  {name}: {ours:.2f} ms by devmux, {bare:.2f} ms by a bare shell")
    finally:
        place.end()
