#!/usr/bin/env python3
"""Shows in real machines that devmux starts what it should, once and at once.

    acceptance.py [--build DIR] [--beside N] [GROUP...]

devmuxd and devmux from the build directory run in QEMU guests (see vm.py and
debian.py), with the shipped units and a few more.  Devices are really plugged and
pulled.  The groups, a module of groups/ and one or more guests each:

    login    "mouse AND framebuffer present", with neither device at boot
    walk     the same with both at boot, and with both coming during coldplug
    kinds    network interfaces, sound cards, processors; kill -9 during starts
    debian   a whole Debian, with udev: sysvinit and systemd
    udev     who is seen and who is ready, restarts of udevd, attributes that come late
    record   a boot, recorded, and replayed on this machine
    systemd  a Debian with systemd: its units, and init scripts, as services
    timeouts jobs that take too long: module loads, and others
    guard    Debian's own init scripts that ask, with devmuxd before, during and after them
    sysvinit the boot of a Debian with sysvinit: order, runlevels, the end of the machine
    ntp      the shipped ntpdate, with the real program and a real server on this machine
    nfs      root and /usr on real NFS: mountnfs, and the interface that they come over
    packages the shipped units with their packages, sysvinit and systemd: what they start is really there

The first three and `timeouts` have no udev.  Init scripts are stubs that log how they were
called.  Nothing passes or fails for the time it took, except that what is not so after ten
minutes is given up, and with it its guest (see report.py).  Each delay is printed: from the kernel's event to the first line of the
script, on the kernel's own clock.

That a start does *not* happen is seen without waiting: the engine decides in the
same step in which a `devmux wait` for the device ends, so the unit's state tells
right after that whether anything was started.

With --beside 2, two groups run at a time; what each says is printed when it ends.

The last line is "N passed, N failed"; the exit status is 1 if any failed.
Needed on the host: what vm.py and debian.py need.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import vm
from groups import debian, guard, kinds, login, nfs, ntp, packages, record, systemd, sysvinit, timeouts, udev, walk
from machine import SOURCE
from report import Report

# The longest comes first: where two run at a time, none is left alone for long.
GROUPS = {"packages": packages, "login": login, "walk": walk, "kinds": kinds, "debian": debian, "udev": udev,
          "record": record, "timeouts": timeouts, "systemd": systemd, "sysvinit": sysvinit, "guard": guard, "ntp": ntp,
          "nfs": nfs}


# ---- the run -----------------------------------------------------------------

def stripped(build, into):
    """The programs without what is for debuggers, which would double the time to boot."""
    programs = {}
    for name in ("devmux", "devmux-client", "devmuxd", "hotplug/devmux-hotplug"):
        built = build / "tools" / name
        name = built.name
        if not built.exists():
            raise vm.GuestError(f"{built} is missing: build first, or name the build directory with --build DIR")
        copy = into / name
        if not shutil.which("strip") or subprocess.run(["strip", "-o", copy, built]).returncode:
            shutil.copy2(built, copy)
        programs[f"/usr/bin/{name}"] = copy
    return programs


def together(names, build, beside):
    """Runs groups beside each other, each in a process of its own; returns (passed, failed)."""
    passed = failed = 0
    running = []

    def group(name):
        argv = [sys.executable, __file__, "--build", build, name]
        with subprocess.Popen(argv, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as it:
            running.append(it)
            return it.communicate()[0]

    with concurrent.futures.ThreadPoolExecutor(beside) as pool:
        try:
            for done in concurrent.futures.as_completed([pool.submit(group, name) for name in names]):
                text, _, last = done.result().rstrip("\n").rpartition("\n")
                count = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
                print(text if count else f"{text}\n{last}\nFAIL  a group broke off\n", flush=True)
                passed, failed = passed + int(count[1] if count else 0), failed + int(count[2] if count else 1)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for it in running:
                it.terminate()
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description="Shows in QEMU guests that devmux starts what it should, once.")
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build", help="build directory (%(default)s)")
    parser.add_argument("--beside", type=int, default=1, metavar="N", help="so many groups at a time (%(default)s)")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"all, or some of: {' '.join(GROUPS)}")
    options = parser.parse_args()
    if unknown := set(options.groups) - GROUPS.keys():
        parser.error(f"no such group: {' '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))      # with no guest left behind
    os.umask(0o022)         # devmux reads no file that others may write
    began, report = time.monotonic(), Report()
    names = options.groups or list(GROUPS)
    if options.beside > 1 and len(names) > 1:
        passed, failed = together(names, str(options.build), options.beside)
        print(f"      {time.monotonic() - began:.0f} s")
        print(f"{passed} passed, {failed} failed")
        return 1 if failed else 0
    with tempfile.TemporaryDirectory(prefix="devmux-acceptance-") as tmp:
        try:
            programs = stripped(options.build, pathlib.Path(tmp))
        except vm.GuestError as e:
            sys.exit(str(e))
        for name in names:
            report.group(name, GROUPS[name], programs)
    print(f"      {time.monotonic() - began:.0f} s")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
