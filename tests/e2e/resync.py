"""What happened while nobody listened is found: a stopped daemon whose socket overran, a truth that is
unknown until then, sources that were switched off, SIGCONT."""
import json
import os
import signal
import subprocess

from checks import Failure, check, contains, equal, eventually, test

# Asks for COUNT changes of a device, and prints how many messages the kernel's group of this network
# has dropped since.
FLOOD = """
import sys
path, count = sys.argv[1], int(sys.argv[2])
with open(path, "wb", buffering=0) as file:
    for i in range(count):
        file.write(b"change")
dropped = 0
with open("/proc/net/netlink") as table:
    next(table)
    for line in table:
        words = line.split()
        if words[1] == "15" and words[3] == "00000001":
            dropped = max(dropped, int(words[8]))
print(dropped)
"""

# A walk of sysfs that has nothing in common with the daemon's.
WALK = """
import json, os
found = {}
for folder, folders, files in os.walk("/sys/devices"):
    if "uevent" not in files or not os.path.islink(folder + "/subsystem"):
        continue
    try:
        with open(folder + "/uevent", errors="surrogateescape") as file:
            found[folder[4:]] = dict(l.split("=", 1) for l in file.read().splitlines() if "=" in l)
    except OSError:
        pass
print(json.dumps(found))
"""


def python_in(netns, program, *args):
    done = subprocess.run(["ip", "netns", "exec", netns, "python3", "-c", program, *map(str, args)],
                          capture_output=True, text=True, errors="surrogateescape", check=False)
    check(done.returncode == 0, "the program in the namespace failed", done.stderr)
    return done.stdout


def table(d):
    return {x["devpath"]: x["properties"] for x in d.json("devices")}


def differences(d, netns):
    """How the daemon's table is not what sysfs says now. Other tests make devices meanwhile, so only what
    is so twice counts."""
    known, there = table(d), json.loads(python_in(netns, WALK))
    out = [f"not known: {path}" for path in there.keys() - known.keys()]
    out += [f"not there: {path}" for path in known.keys() - there.keys()]
    for path in there.keys() & known.keys():
        out += [f"{path}: {key} is {known[path].get(key)!r}, not {value!r}" for key, value in there[path].items()
                if known[path].get(key) != value and not path.startswith("/devices/virtual/block/loop")]
    return out


@test
def a_stopped_daemon_that_lost_events_finds_all_of_them(p):
    count = 24
    stay, vanish, replaced, come, away = (range(0, 6), range(6, 12), range(12, 16), range(16, 20), range(20, 24))
    names = [p.name(f"s{i}") for i in range(count)]
    for i, name in enumerate(names):
        p.unit(f"w{i}", f'while: network interface[name = "{name}"]\n' + p.command(stop=True))
    netns = p.new_netns()
    for i in (*stay, *vanish, *replaced):
        p.add_link(names[i], netns=netns, kind="bridge")
    d = p.daemon(netns=netns)
    for i in (*stay, *vanish, *replaced):
        d.until_state(f"w{i}", "active")
    flood = p.add_link("flood", netns=netns, kind="bridge")
    d.wait_link(flood)
    equal(len(p.runs()), 16, "starts so far")
    os.kill(d.pid, signal.SIGSTOP)
    def change(k):
        """One is replaced, one comes, one was there and is not."""
        p.del_link(names[replaced[k]], netns=netns)
        for name in (names[replaced[k]], names[come[k]], names[away[k]]):
            p.add_link(name, netns=netns, kind="bridge")
        p.del_link(names[away[k]], netns=netns)

    try:
        for i in vanish[:3]:
            p.del_link(names[i], netns=netns)
        asked = dropped = 0
        while asked < 200_000 or not dropped:
            if asked in (50_000, 100_000):
                change(asked // 50_000 - 1)
            dropped = int(python_in(netns, FLOOD, f"/sys/class/net/{flood}/uevent", 50_000))
            asked += 50_000
            check(asked <= 2_000_000, f"{asked} events, and the socket has not overrun")
        # The socket is full: of these no word reaches the daemon.
        for i in vanish[3:]:
            p.del_link(names[i], netns=netns)
        change(2)
        change(3)
    finally:
        os.kill(d.pid, signal.SIGCONT)
    eventually(lambda: d.counters()["lost"] >= 1 and not d.status()["in_doubt"], "the loss is counted, and made good",
               d.log_text, patience=300)
    eventually(lambda: not differences(d, netns), "the table is what sysfs says", lambda: str(differences(d, netns)[:5]))
    for i in (*stay, *replaced, *come):
        d.until_state(f"w{i}", "active")
    for i in (*vanish, *away):
        d.until_state(f"w{i}", "waiting")
    of = {f"w{i}": [r.argv[0] for r in p.runs(f"w{i}")] for i in range(count)}
    for i in stay:
        equal(of[f"w{i}"], ["start"], f"w{i}, whose device stayed")
    for i in vanish:
        equal(of[f"w{i}"], ["start", "stop"], f"w{i}, whose device vanished")
    for i in replaced:  # another device has its name: nobody was told that the unit should care
        check(of[f"w{i}"] in (["start"], ["start", "stop", "start"]), f"w{i}, whose device was replaced", of[f"w{i}"])
    for i in come:
        equal(of[f"w{i}"], ["start"], f"w{i}, whose device came")
    counters = d.counters()
    # Vanished, and the first lives of those that were replaced; those that came, and the second lives.
    equal([counters["resync_removes"], counters["resync_adds"]], [3 + 2, 2 + 2], "found by walking (removes, adds)")
    contains(d.ask("status").stdout, "events lost", "status")
    print(f"     {asked} events asked for, {dropped} messages dropped, {counters['received_kernel']} received; by "
          f"walking: {counters['resync_adds']} adds, {counters['resync_removes']} removes, "
          f"{counters['resync_changes']} changes")


@test
def after_a_stop_everything_is_verified(p):
    """SIGSTOP and SIGCONT without a loss: verified all the same, and nothing is run for it."""
    name = p.add_link("v")
    p.unit("w", f'while: network interface[name = "{name}"]\n' + p.command(stop=True))
    p.unit("n", f'while: no network interface[name = "{name}"]\n' + p.command(stop=True))
    d = p.daemon()
    d.until_state("w", "active")
    for i in range(3):
        os.kill(d.pid, signal.SIGSTOP)
        os.kill(d.pid, signal.SIGCONT)
        eventually(lambda n=i: d.counters()["resyncs"] > n, "verified", d.log_text)
    d.barrier()
    equal([r.argv[0] for r in p.runs()], ["start"], "runs")
    equal(d.counters()["lost"], 0, "lost")


@test
def a_source_is_switched_off_and_on(p):
    name = p.name("v")
    p.unit("w", f'while: network interface[name = "{name}"]\n' + p.command(stop=True))
    d = p.daemon()
    contains(d.ask("source", "kernel", "off").stdout, "off", "answer")
    contains(d.ask("status").stdout, "the source kernel is off: what the kernel announces is not heard", "status")
    p.add_link("v")
    equal(d.state("w"), "waiting", "while nobody listens")
    d.ask("source", "kernel", "on")
    d.until_state("w", "active")
    d.ask("source", "kernel", "off")
    p.del_link(name)
    d.ask("source", "kernel", "on")
    d.until_state("w", "waiting")
    equal([r.argv[0] for r in p.runs()], ["start", "stop"], "runs")
    done = d.ask("source", "kernal", "off", code=None)
    check(done.returncode != 0, "a source that is none", done.stdout)
    contains(done.stderr, "kernel, udev, hotplug", "the error names those that are")


@test
def unknown_is_not_absent_after_a_loss(p):
    """Without walks (the source coldplug is off) nobody knows what became of devices, until there are."""
    name = p.name("v")
    p.unit("w", f'while: network interface[name = "{name}"]\n' + p.command(stop=True))
    d = p.daemon("--sources", "kernel")
    p.add_link("v")
    d.until_state("w", "active")
    os.kill(d.pid, signal.SIGSTOP)
    os.kill(d.pid, signal.SIGCONT)
    d.until_log("the source coldplug is off")
    equal(d.status()["in_doubt"], True, "in doubt")
    contains(d.ask("explain", "w").stdout, "not seen again yet", "explanation")
    equal(d.state("w"), "active", "what runs, runs on")
    equal(d.counters()["doubts"], 1, "doubts")
    d.ask("source", "coldplug", "on")
    eventually(lambda: not d.status()["in_doubt"], "verified", d.log_text)
    p.del_link(name)
    d.until_state("w", "waiting")
    equal([r.argv[0] for r in p.runs()], ["start", "stop"], "runs")
