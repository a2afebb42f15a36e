"""Many events at once: nothing is lost, or what was lost is found; and afterwards there is silence."""
import contextlib
import os
import signal
import subprocess
import time

from checks import Failure, check, contains, equal, eventually, test

# Writes "change" to a uevent file so often, as fast as it goes.
FLOOD = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
for _ in range(int(sys.argv[2])):
    os.write(fd, b"change")
"""

LOG = "#!/bin/sh\necho \"$1 $DEVMUX_UNIT\" >>{log}\n"


def storm_units(p, count):
    log = p.dir / "ran"
    program = p.program("logged", LOG.format(log=log))
    for i in range(count):
        p.unit(f"w{i}", f"while: 'network interface[name = \"{p.name(f's{i}')}\"]'\n"
                        f"command: {{start: [{program}, start], stop: [{program}, stop]}}\n")
    return log


def equals_reality(d, names, netns=None):
    """The daemon's links are those of /sys, and each unit runs where its link is there."""
    def reality():
        if not netns:
            return sorted(n for n in os.listdir("/sys/class/net") if n != "lo")
        done = subprocess.run(["ip", "-n", netns, "-o", "link"], capture_output=True, text=True, check=True)
        links = [line.split()[1].split("@")[0].rstrip(":") for line in done.stdout.splitlines()]
        return sorted(n for n in links if n != "lo")

    def known():
        return sorted(x["name"] for x in d.json("devices", "network", "interface"))
    eventually(lambda: known() == reality(), "the table equals sysfs", lambda: f"{known()}\n{reality()}")
    there = reality()

    def states():
        return {u["name"]: u["state"] for u in d.json("list")}
    expected = {f"w{i}": "active" if n in there else "waiting" for i, n in enumerate(names)}
    eventually(lambda: {k: v for k, v in states().items() if k in expected} == expected, "units follow their links",
               lambda: f"{states()}\n{expected}")


def alternates(log, names):
    """Each unit's programs ran in turns, beginning with a start."""
    for i in range(len(names)):
        verbs = [line.split()[0] for line in log.read_text().splitlines() if line.split()[1] == f"w{i}"]
        equal(verbs, ["start", "stop"] * (len(verbs) // 2) + ["start"] * (len(verbs) % 2), f"runs of w{i}")


@test
def twenty_thousand_changes(p):
    count = 16
    names = [p.name(f"s{i}") for i in range(count)]
    log = storm_units(p, count)
    d = p.daemon()
    before = d.counters()
    flood = subprocess.Popen(["python3", "-c", FLOOD, "/sys/class/mem/null/uevent", "20000"])
    rounds = 0
    try:
        while flood.poll() is None or rounds < 2:
            for name in names:
                p.add_link(name)
            for name in names:
                p.del_link(name)
            rounds += 1
    finally:
        flood.wait()
    for name in names[::2]:
        p.add_link(name)
    d.barrier()
    after = d.counters()
    check(after["synthetic"] - before["synthetic"] >= 20_000, "all were received", after)
    equal([after[k] for k in ("lost", "dropped_runs", "resync_adds", "resync_removes", "unsaved")], [0] * 5, "lost")
    equals_reality(d, names)
    alternates(log, names)
    print(f"     {rounds} rounds of {count} pairs, {after['received'] - before['received']} events")


@test
def a_storm_of_each_event_runs(p):
    """Every change of one device is run, in order, with more of them than may run at once."""
    name = p.add_link("v", kind="bridge")
    log = p.dir / "ran"
    program = p.program("logged", f'#!/bin/sh\necho "$SEQNUM $INTERFACE" >>{log}\n')
    p.unit("u", f"each-event: 'network interface[name = \"{name}\"]'\nactions: [change]\nsynthetic: true\n"
                f"command: {{start: [{program}]}}\n")
    d = p.daemon()
    subprocess.run(["python3", "-c", FLOOD, f"/sys/class/net/{name}/uevent", "1000"], check=True)
    eventually(lambda: log.exists() and len(log.read_text().splitlines()) >= 1000, "1000 runs")
    numbers = [int(line.split()[0]) for line in log.read_text().splitlines()]
    equal(len(numbers), 1000, "runs")
    equal(numbers, sorted(set(numbers)), "in order, each once")
    equal(d.counters()["dropped_runs"], 0, "dropped")


@test
def what_is_dropped_is_counted(p):
    """More events of one device than may wait for their turn: the oldest 4096 stay, the rest is counted."""
    name = p.add_link("v", kind="bridge")
    p.unit("u", f"each-event: 'network interface[name = \"{name}\"]'\nactions: [change]\nsynthetic: true\n" +
           p.command(then=f"until [ -e {p.out}/.gate ]; do sleep 0.02; done"))
    d = p.daemon()
    subprocess.run(["python3", "-c", FLOOD, f"/sys/class/net/{name}/uevent", "5000"], check=True)
    d.barrier()
    unit = d.unit("u")
    equal([unit["starts"], unit["queued"]], [1, 4096], "runs and what waits")
    equal(d.counters()["dropped_runs"], 5000 - 1 - 4096, "dropped")
    contains(d.ask("status").stdout, "903 runs dropped", "status")
    d.ask("stop", "--no-wait", "u")
    d.kill()  # 4096 more runs prove nothing
    (p.out / ".gate").touch()


@test
def what_an_overrun_lost_is_found(p):
    """The daemon is stopped until its socket overflows, in a network of its own, so that nobody else hears
    the flood. Links came, went and were replaced meanwhile."""
    count = 12
    names = [p.name(f"s{i}") for i in range(count)]
    log = storm_units(p, count)
    netns = p.new_netns()
    for name in names[:8]:
        p.add_link(name, netns=netns)
    d = p.daemon(netns=netns)
    equals_reality(d, names, netns)
    p.add_link("flood", netns=netns, kind="bridge")
    os.kill(d.pid, signal.SIGSTOP)
    try:
        for name in names[:4]:
            p.del_link(name, netns=netns)
        dropped = 0
        while not dropped:
            subprocess.run(["ip", "netns", "exec", netns, "python3", "-c", FLOOD,
                            f"/sys/class/net/{p.name('flood')}/uevent", "50000"], check=True)
            # sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode; of the daemon's own network.
            lines = subprocess.run(["ip", "netns", "exec", netns, "cat", "/proc/net/netlink"],
                                   capture_output=True, text=True, check=True).stdout.splitlines()[1:]
            dropped = max(int(x.split()[8]) for x in lines if x.split()[1] == "15" and x.split()[3] == "00000001")
        for name in (*names[6:8], *names[:2]):  # 6 and 7 are replaced, 0 and 1 were away
            if name in names[6:8]:
                p.del_link(name, netns=netns)
            p.add_link(name, netns=netns)
        for name in names[8:10]:
            p.add_link(name, netns=netns)
    finally:
        os.kill(d.pid, signal.SIGCONT)
    eventually(lambda: d.counters()["lost"] >= 1, "the overrun is counted", d.log_text)
    equals_reality(d, names, netns)
    contains(d.ask("status").stdout, "events lost", "status")
    d.until_log("events were lost")
    counters = d.counters()
    check(counters["resync_adds"] >= 2, "found by walking", counters)
    alternates(log, names)
    verbs = [line for line in log.read_text().splitlines() if line.split()[1] in ("w4", "w5")]
    equal(sorted(verbs), ["start w4", "start w5"], "what did not change was left alone")


def activity(pid):
    """What a process did so far: for each thread its time on a processor and how often it got one."""
    out = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as stat:
            ran, _, slices = stat.read().split()
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as status:
            switches = [line for line in status if "ctxt_switches" in line]
        out[thread] = (ran, slices, *switches)
    return out


def threads(pid):
    out = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii") as name:
                out.append(name.read().strip())
    return sorted(out)


def seqnum():
    with open("/sys/kernel/uevent_seqnum", encoding="ascii") as file:
        return file.read()


@test
def idle_means_idle(p):
    """Settled, with units of all kinds, a file that is watched and a client that waits: not one wake-up in
    three seconds in which the kernel announced nothing."""
    link = f"'network interface[name = \"{p.name('v')}\"]'"
    p.add_link("v")
    p.unit("w", f"while: {link}\nlinger: 1s\n" + p.command(stop=True))
    p.unit("f", "when: file /flag exists for 1s\n" + p.command())
    p.unit("e", f"each-event: {link}\n" + p.command())
    p.unit("s", "when: settled\n" + p.command())
    d = p.daemon()
    waiter = d.begin("wait", "--timeout", "none", "mouse and no mouse")
    d.ask("wait", "--timeout", "2m", "settled")
    d.until_state("s", "done")
    # Files that are not there were looked for again for 5 s; the threads that read them end by and by. Mounts are
    # watched, for a stop of w might take down the interface that carries the root.
    eventually(lambda: threads(d.pid) == ["devmux-mounts", "devmux-runlevel", "devmuxd", "devmuxd"],
               "only the loop and the watches over files, mounts and the runlevel are left")
    for _ in range(40):
        before, number = activity(d.pid), seqnum()
        time.sleep(3)  # what is measured is that nothing happens
        after = activity(d.pid)
        if number == seqnum():
            equal(after, before, "activity of each thread: (ns, slices, switches)")
            break
    else:
        raise Failure("the machine is never quiet for three seconds: somebody makes uevents all the time")
    equal(waiter.poll(), None, "the client waits")
    waiter.kill()
    waiter.wait()
