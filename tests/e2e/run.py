#!/usr/bin/env python3
"""End-to-end tests on this very machine: a real devmuxd, real uevents, real programs, no guest.

    tests/e2e/run.py --build build [NAME ...]

A NAME is a part of a test's name; without one, all run.  Root is needed: links and loop devices are
made.  The last line is "N passed, N failed"; the exit code is 1 if any failed.  Nothing is left behind.
With --slow daemons, or clients, they are starved: who counts on how fast something happens is found.

    checks.py                           expecting and waiting
    place.py, daemon.py, uevents.py     where a test lives; a daemon and its client; made uevents
    links.py, events.py, environment.py, facts.py    real uevents, files and units drive units
    mounts.py                           facts of mounts, in a mount namespace
    network.py                          facts of links, addresses and routes, in network namespaces
    carriers.py                         which link carries a root on NFS, and what is not stopped for that
    by_hand.py, reload.py               people, restarts, changed files
    bad_files.py, bad_events.py         bad input
    crash.py, client.py, storm.py       kill -9; every subcommand; 20,000 events, and silence
    strangers.py                        what people type who have not read the manual
    other_daemons.py                    the client at a daemon of before, and at one that does not answer
    manual.py                           what the manual pages print
    record.py                           recordings, and what if
    guard.py                            init scripts that ask: boot, people, no daemon
    services.py                         init scripts, policy-rc.d, daemons, dev.d, users
    boot.py                             what init does: runlevels, the end of the machine, boot files
    instances.py                        for-each
    flapping.py                         programs that cause what starts them
    timeouts.py                         programs that take too long
    resync.py                           what happened while nobody listened
    hotplug_helper.py                   devmux-hotplug, by itself
    transports.py                       devmux-hotplug races with the kernel's socket
    udev.py, udevd.py                   beside a real udevd, in namespaces
"""
import argparse
import os
import signal
import subprocess
import sys
import time
import traceback

import links, events, environment, facts, mounts, network, carriers, by_hand, reload, bad_files, bad_events, crash, client, strangers, other_daemons, storm, flapping, timeouts, resync, udev, hotplug_helper, transports, record, services, guard, boot, instances, manual  # noqa: E401,F401  they register
from checks import TESTS, Failure
from daemon import Daemon
from place import Place


def run_one(name, function, build, keep_log):
    began = time.monotonic()
    place = Place(build)
    log, trouble = "", None
    try:
        with place:
            try:
                function(place)
            finally:
                log = place.log()
    except Failure as e:
        trouble = str(e)
    except Exception:  # pylint: disable=broad-except
        trouble = traceback.format_exc()
    took = time.monotonic() - began
    print(f"{'FAIL' if trouble else 'ok  '} {name}  {took:.1f} s", flush=True)
    if trouble:
        at = f" ({function.__code__.co_filename}:{function.__code__.co_firstlineno})"
        print(f"  {trouble}{at}\n  -- the daemon's log, at its end --")
        print("".join(f"  | {line}\n" for line in log.splitlines()[-keep_log:]), flush=True)
    return trouble is None


def at_last(level):
    """What gives a program less of the machine, in a session and so in a group of its own (sched(7), autogroup)."""
    return ("setsid", "sh", "-c", f"echo {level} >/proc/self/autogroup; exec nice -n {level} \"$@\"", "sh")


def make_slow(whom):
    """Busy processes come before them: a test that counts on their speed fails."""
    busy = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    for _ in os.sched_getaffinity(0):
        subprocess.Popen([*at_last(10), sys.executable, "-c", busy])  # pylint: disable=consider-using-with
    if whom == "daemons":
        Daemon.slowed = at_last(19)[1:]  # its session is its own already, and its pid must be the one that was begun
    else:
        Daemon.slowed_clients = at_last(19)


def main():
    parser = argparse.ArgumentParser(description="end-to-end tests on this machine")
    parser.add_argument("--build", required=True, help="build folder; its tools/devmux and tools/devmuxd")
    parser.add_argument("--list", action="store_true", help="name the tests and run none")
    parser.add_argument("--log-lines", type=int, default=30, help="of the daemon's log, where a test fails")
    parser.add_argument("--slow", choices=("daemons", "clients"), help="they get what busy processes leave them: some 50 times slower")
    parser.add_argument("names", nargs="*", help="parts of names of tests")
    options = parser.parse_args()
    chosen = [(n, f) for n, f in TESTS if not options.names or any(part in n for part in options.names)]
    if options.list:
        print("\n".join(n for n, _ in chosen))
        return 0
    if os.geteuid() != 0:
        print("root is needed: links and loop devices are made")
        return 1
    # A shell that runs this in the background ignores Ctrl-C for it, and it would for what is begun here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    if options.slow:
        make_slow(options.slow)
    results = [run_one(n, f, options.build, options.log_lines) for n, f in chosen]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) and results else 1


if __name__ == "__main__":
    sys.exit(main())
