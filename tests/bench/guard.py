#!/usr/bin/env python3
"""What `devmux guard` costs: a shell executes it, the client and /bin/true N times each, in turns.

    tests/bench/guard.py --build build [N]

Prints milliseconds for one execution, the shell's fork included, the best of five turns: with a daemon
that answers (of a unit that is not there: go on), with none, and for an action of which it does not speak.
"""
import argparse
import pathlib
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("--build", required=True)
parser.add_argument("n", nargs="?", type=int, default=500)
options = parser.parse_args()
tools = pathlib.Path(options.build).resolve() / "tools"
place = pathlib.Path(tempfile.mkdtemp(prefix="devmux-bench-"))
(place / "units.d").mkdir()
daemon = subprocess.Popen([tools / "devmuxd", "--runtime-dir", place / "run", "--units", place / "units.d"],
                          stderr=subprocess.DEVNULL)
try:
    while not (place / "run/bus").exists():
        time.sleep(0.05)
    lines = {
        "/bin/true": "/bin/true",
        "guard, no daemon": f"{tools}/devmux --runtime-dir {place}/none guard a start",
        "guard, answered": f"{tools}/devmux --runtime-dir {place}/run guard a start",
        "guard, stop": f"{tools}/devmux --runtime-dir {place}/run guard a stop",
        "the client": f"{tools}/devmux-client --version >/dev/null",
    }
    best = {}
    for _ in range(5):
        for name, line in lines.items():
            count = options.n // 10 if name == "the client" else options.n
            begin = time.monotonic()
            subprocess.run(["sh", "-c", f"i=0; while [ $i -lt {count} ]; do {line}; i=$((i+1)); done"], check=False)
            took = (time.monotonic() - begin) / count * 1000
            best[name] = min(best.get(name, took), took)
    for name, took in best.items():
        print(f"{took:8.3f} ms  {name}")
finally:
    daemon.kill()
    daemon.wait()
    subprocess.run(["rm", "-rf", place], check=True)
