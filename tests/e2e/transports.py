"""The bug that this project descends from, with real processes: events race on two ways to a daemon that
starts in their midst. Whatever the order: each is taken in once, each device's in its order, and the end
is what sysfs says."""
import collections
import json
import os
import random
import subprocess

from checks import check, equal, eventually, test
from resync import differences

SEEDS = int(os.environ.get("DEVMUX_RACES", "20"))
STEPS = 60

# Listens to the kernel like a device manager of old, and executes the helper for each event of TAG: at
# once or late, most of them once, some twice, some not at all. Ends when its standard input does, and
# prints what the kernel said.
MANAGER = """
import json, os, random, select, socket, subprocess, sys, time
helper, runtime, tag, seed, wait = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5])
times = [int(n) for n in sys.argv[6]]
random.seed(seed)
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)
s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
s.bind((0, 1))
print("ready", flush=True)
said, due, running, done = [], [], [], False
def execute(env):
    running.append(subprocess.Popen([helper, "--runtime-dir", runtime, env["SUBSYSTEM"]], env=env))
while not done or due:
    pause = max(0, due[0][0] - time.monotonic()) if due else None
    ready, _, _ = select.select([s, sys.stdin] if not done else [s], [], [], pause if not done else min(pause or 0, 0.1))
    if sys.stdin in ready:
        done = True
    if s in ready:
        text = s.recv(65536).decode(errors="surrogateescape")
        env = dict(v.split("=", 1) for v in text.split("\\0")[1:] if "=" in v)
        if tag in env["DEVPATH"]:
            said.append([int(env["SEQNUM"]), env["ACTION"], env["DEVPATH"]])
            env.update(HOME="/", PATH="/sbin:/bin:/usr/sbin:/usr/bin")
            for _ in range(random.choice(times)):
                late = random.choice([0, 0, random.random() * 0.02, random.random() * wait])
                due.append((time.monotonic() + late, len(said), env))
            due.sort(key=lambda x: x[:2])
    while due and due[0][0] <= time.monotonic():
        execute(due.pop(0)[2])
for process in running:
    process.wait()
print(json.dumps(said))
"""


class Race:
    def __init__(self, p, seed, times):
        self.p, self.random = p, random.Random(seed)
        self.tag = f"{p.tag}{seed}x"
        self.names = [f"{self.tag}{i}"[:15] for i in range(6)]
        self.there = set()
        self.netns = p.new_netns()
        helper = os.environ.get("DEVMUX_HOTPLUG") or p.build / "tools/hotplug/devmux-hotplug"
        self.runtime = p.dir / f"run{seed}"
        self.manager = subprocess.Popen(
            ["ip", "netns", "exec", self.netns, "python3", "-c", MANAGER, str(helper), str(self.runtime), self.tag,
             str(seed), str(self.random.choice([0.05, 0.5])), times],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        check(self.manager.stdout.readline() == "ready\n", "the manager listens")

    def ip(self, *argv):
        subprocess.run(["ip", "-n", self.netns, *argv], check=True, capture_output=True)

    def step(self):
        name = self.random.choice(self.names)
        if name not in self.there:
            self.ip("link", "add", name, "type", "bridge")
            self.there.add(name)
        elif self.random.random() < 0.3 and (free := sorted(set(self.names) - self.there)):
            new = self.random.choice(free)
            self.ip("link", "set", name, "name", new)
            self.there ^= {name, new}
        else:
            self.ip("link", "del", name)
            self.there.remove(name)

    def all_said(self):
        said, _ = self.manager.communicate()
        # Helpers that found nobody go on behind the back of who executed them.
        mine = f"[d]evmux-hotplug --runtime-dir {self.runtime} "
        eventually(lambda: subprocess.run(["pgrep", "-f", mine], capture_output=True, check=False).returncode,
                   "all helpers have delivered")
        return json.loads(said)


def seqnum():
    with open("/sys/kernel/uevent_seqnum", encoding="ascii") as file:
        return int(file.read())


@test
def the_helper_races_with_the_kernels_socket(p):
    log = p.dir / "taken"
    taker = p.program("take", f'#!/bin/sh\necho "${{SEQNUM:-0}} $ACTION $DEVPATH" >>{log}.$DEVMUX_UNIT\n')
    total = collections.Counter()
    for seed in range(SEEDS):
        sources, switched = [("kernel,hotplug,coldplug", False), ("hotplug,coldplug", False),
                             ("kernel,hotplug,coldplug", True)][seed % 3]
        # What nobody says nobody knows: where the helper is the only way, it loses none.
        race = Race(p, seed, "011112" if sources.startswith("kernel") else "111112")
        unit = f"e{seed}"
        p.unit(unit, f"each-event: 'network interface[name ~ \"{race.tag}*\"]'\n"
                     f"actions: [add, remove, move, change]\ncommand: {{start: [{taker}]}}\n")
        begin = race.random.randrange(STEPS // 2)
        daemon, complete = None, 0
        for step in range(STEPS):
            if step == begin:
                # The loop goes on while it starts.
                daemon = p.daemon("--sources", sources, netns=race.netns, runtime=race.runtime, wait=False)
            if daemon and not complete and daemon.ask("status", "--json", code=None).returncode == 0 and \
                    daemon.status()["coldplug_complete"]:
                complete = seqnum()
            if switched and step in (STEPS * 2 // 3, STEPS * 5 // 6):
                daemon.until_up()
                daemon.ask("source", "kernel", "off" if step == STEPS * 2 // 3 else "on")
            race.step()
        said = race.all_said()
        daemon.until_up()
        eventually(lambda d=daemon, r=race: not d.status()["in_doubt"] and not differences(d, r.netns),
                   "the table is what sysfs says", lambda d=daemon, r=race: f"{differences(d, r.netns)}\n{d.counters()}")
        eventually(lambda d=daemon, u=unit: (s := d.unit(u))["state"] == "waiting" and not s["queued"], "all has been run")
        path = log.with_name(f"{log.name}.{unit}")
        taken = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        by_device = collections.defaultdict(list)
        for number, action, devpath in taken:
            by_device[devpath].append((int(number), action))
        for devpath, events in by_device.items():
            numbers = [n for n, _ in events if n]
            equal(numbers, sorted(set(numbers)), f"seed {seed}: {devpath}: each once, and in order")
        numbers = {int(n) for n, _, _ in taken}
        counters = daemon.counters()
        interfaces = [e for e in said if e[2].count("/") == 4 and e[1] != "online" and e[1] != "offline"]
        if complete and sources.startswith("kernel") and not switched:
            missing = [e for e in interfaces if e[0] > complete and e[0] not in numbers]
            equal(missing, [], f"seed {seed}: every event since coldplug was complete was taken in")
        check(all(n == 0 or n in {e[0] for e in interfaces} for n in numbers), f"seed {seed}: no event was made up", numbers)
        equal(counters["lost"], 0, "lost")
        total.update(events=len(said), taken=len(taken), duplicate=counters["duplicate"], late=counters["late"],
                     helpers=counters["received_hotplug"])
        daemon.terminate()
    check(total["duplicate"] > 0 and total["helpers"] > 100 * SEEDS / 20, "they raced", total)
    print(f"     {SEEDS} races: {dict(total)}")
