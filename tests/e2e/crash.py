"""The daemon is killed with -9 and started again: no script runs twice, none is forgotten, nothing stops.

DEVMUX_E2E_SEED=N repeats the dice of a run; the moments that they chose still meet another machine."""
import collections
import os
import random
import time

from checks import check, equal, eventually, test

KILLS = 200
TASKS, SERVICES, WHILES, FIRSTS, EVENTS, LOOPS, CHAINS, NEEDS = 24, 12, 12, 8, 16, 8, 12, 12

# One line at the begin and one at the end, each in one write(2).
SCRIPT = """#!/bin/sh
echo "begin $DEVMUX_UNIT $1 ${{INTERFACE:-$DEVNAME}} $$" >>{log}
sleep 0.{pause:03d}
echo "end $DEVMUX_UNIT $1" >>{log}
"""


def scenario(p, log, dice):
    """The units, and what makes them start: a list of steps, each a call."""
    def script(unit, folder=None):
        pause = dice.choice((0, 20, 100, 300))
        return p.program(unit, SCRIPT.format(log=log, pause=pause), folder)

    def link(name):
        return lambda: p.add_link(name, kind=dice.choice(("veth", "bridge")))

    steps = []
    for i in range(TASKS):
        unit, name = f"task{i}", p.name(f"t{i}")
        p.unit(unit, f"when: 'network interface[name = \"{name}\"]'\ncommand: {{start: [{script(unit)}, start]}}\n")
        steps.append(link(name))
    for i in range(SERVICES):
        unit, name = f"service{i}", p.name(f"s{i}")
        script(unit, p.root / "etc/init.d")
        p.unit(unit, f"when: 'network interface[name = \"{name}\"]'\ninit-script: {unit}\n")
        steps.append(link(name))
    for i in range(WHILES):
        unit, name = f"while{i}", p.name(f"w{i}")
        program = script(unit)
        p.unit(unit, f"while: 'network interface[name = \"{name}\"]'\n"
                     f"command: {{start: [{program}, start], stop: [{program}, stop]}}\n")
        steps.append(link(name))
    for i in range(FIRSTS):
        unit = f"first{i}"
        p.unit(unit, f"when: 'first network interface[name ~ \"{p.name(f'f{i}')}?\"]'\n"
                     f"command: {{start: [{script(unit)}, start]}}\n")
        steps += [link(p.name(f"f{i}{x}")) for x in "ab"]
    for i in range(CHAINS):
        name = p.name(f"c{i}")
        p.unit(f"chain{i}a", f"when: 'network interface[name = \"{name}\"]'\nthen: [chain{i}b]\n"
                             f"command: {{start: [{script(f'chain{i}a')}, start]}}\n")
        p.unit(f"chain{i}b", f"then: [chain{i}c]\ncommand: {{start: [{script(f'chain{i}b')}, start]}}\n")
        p.unit(f"chain{i}c", f"command: {{start: [{script(f'chain{i}c')}, start]}}\n")
        steps.append(link(name))
    for i in range(NEEDS):
        name = p.name(f"n{i}")
        for unit, keys in ((f"need{i}", f"while: 'network interface[name = \"{name}\"]'\nrequires: base{i}\n"),
                           (f"base{i}", "")):
            program = script(unit)
            p.unit(unit, f"{keys}command: {{start: [{program}, start], stop: [{program}, stop]}}\n")
        steps.append(link(name))
    p.unit("each", f"each-event: 'network interface[name ~ \"{p.tag}e*\" and name !~ \"*Q\"]'\n"
                   f"command: {{start: [{script('each')}, start]}}\n")
    steps += [link(p.name(f"e{i}")) for i in range(EVENTS)]
    p.unit("loops", f"each-event: 'block device[name ~ \"loop*\" and attr.size = \"0\"]'\nactions: [add]\n"
                    f"command: {{start: [{script('loops')}, start]}}\n")
    steps += [p.add_loop for _ in range(LOOPS)]
    dice.shuffle(steps)
    return steps


def lines_of(log):
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


@test
def killed_at_any_moment(p):
    seed = int(os.environ.get("DEVMUX_E2E_SEED", random.randrange(1 << 32)))
    dice = random.Random(seed)
    print(f"     seed {seed}")
    log = p.dir / "ran"
    steps = scenario(p, log, dice)
    # One that runs all the time is adopted by whoever comes, however fast the machine is.
    gate = p.out / ".gate"
    p.unit("held", f"when: 'network interface[name = \"{p.name('h')}\"]'\n" +
           p.command(then=f"until [ -e {gate} ]; do sleep 0.05; done"))
    p.add_link("h")
    d = p.daemon()
    p.until_runs("held", 1)
    d.kill()
    adopted = 0
    for kill in range(KILLS):
        d = p.daemon(wait=False)
        # Some arrive while it starts, some later, some when it is dead. The moments are the test.
        share = len(steps) / (KILLS - kill)
        for _ in range(len(steps) if kill == KILLS - 1 else int(share + dice.random())):
            time.sleep(dice.uniform(0, 0.06))
            steps.pop()()
        time.sleep(dice.uniform(0, 0.15))
        d.kill()
        adopted += d.log_text().count("watching it to its end")
        check("bug" not in d.log_text() and "rror" not in d.log_text(), "the log is clean", d.log_text())
        if steps and dice.random() < 0.3:
            steps.pop()()
    d = p.daemon()
    d.until_log("held: was starting when the engine went; watching it to its end")
    gate.touch()
    d.until_state("held", "done")
    equal(len(p.runs("held")), 1, "what was adopted ran once")
    for i in range(TASKS):
        d.until_state(f"task{i}", "done")
    for i in range(SERVICES):
        d.until_state(f"service{i}", "active")
    for i in range(WHILES):
        d.until_state(f"while{i}", "active")
    for i in range(FIRSTS):
        d.until_state(f"first{i}", "done")
    for i in range(CHAINS):
        d.until_state(f"chain{i}c", "done")
    for i in range(NEEDS):
        d.until_state(f"need{i}", "active")
    d.barrier()
    ours = {f"/dev/loop{n}" for n in p.loops()}

    def mine():
        return [x for x in lines_of(log) if x[1] != "loops" or x[0] == "end" or x[3] in ours]
    total = TASKS + SERVICES + WHILES + FIRSTS + EVENTS + LOOPS + 3 * CHAINS + 2 * NEEDS
    eventually(lambda: len([x for x in mine() if x[0] == "begin"]) >= total, f"{total} runs", lambda: str(mine()))
    eventually(lambda: all(d.unit(u)["pid"] == 0 and d.state(u) == "waiting" for u in ("each", "loops")), "all has ended")
    begun = [x for x in mine() if x[0] == "begin"]
    equal([x for x in lines_of(log) if x[2] != "start"], [], "nothing was stopped")
    times = collections.Counter((x[1], x[3]) if x[1] in ("each", "loops") else x[1] for x in begun)
    equal({k: n for k, n in times.items() if n != 1}, {}, "what ran more than once")
    equal(len(times), total, "what ran")
    ended = collections.Counter(x[1] for x in lines_of(log) if x[0] == "end")
    equal({u: n for u, n in ended.items() if u not in ("each", "loops") and n != 1}, {}, "ends")
    order = [(x[0], x[1]) for x in lines_of(log)]
    for before, after in [(f"chain{i}{x}", f"chain{i}{y}") for i in range(CHAINS) for x, y in ("ab", "bc")] + \
            [(f"base{i}", f"need{i}") for i in range(NEEDS)]:
        check(order.index(("end", before)) < order.index(("begin", after)), f"{before} ends before {after} begins", order)
    # Who won is who the script was run for, and stays it.
    winner = {x[1]: x[3] for x in begun if x[1].startswith("first")}
    latches = [x.split("\t") for x in (p.dir / "run/journal").read_text().splitlines() if x.startswith("latch")]
    equal({x[1]: os.path.basename(x[3]) for x in latches}, winner, "the latches")
    before = len(lines_of(log))
    for i in range(FIRSTS):
        p.del_link(winner[f"first{i}"])
        p.add_link(winner[f"first{i}"], kind="bridge")
    d.kill()
    d = p.daemon()
    d.barrier()
    equal([x for x in lines_of(log)[before:] if x[1].startswith("first")], [], "first is not forgotten")
    print(f"     {KILLS} kills, {total} runs, {adopted} adoptions")


@test
def killed_between_two_jobs(p):
    """A start that runs is adopted, its end is seen; a stop likewise; a task's second run is not lost."""
    gate = p.out / ".gate"
    hold = f"until [ -e {gate} ]; do sleep 0.02; done"
    link = f"'network interface[name = \"{p.name('v')}\"]'"
    p.unit("start", f"while: {link}\n" + p.command(stop=True, then=f'[ "$1" = stop ] || {hold}'))
    p.unit("fails", f"when: {link}\n" + p.command(stop=True, then=f"{hold}; exit 4"))
    p.unit("again", f"when: {link}\n" + p.command(then=hold))
    p.unit("each", f"each-event: {link}\nactions: [add]\n" + p.command(then=hold))
    d = p.daemon()
    p.add_link("v")
    for unit in ("start", "fails", "again", "each"):
        p.until_runs(unit, 1)
    pids = {u: eventually(lambda u=u: d.unit(u)["pid"], u) for u in ("start", "fails", "again")}
    p.del_link(p.name("v"))
    p.add_link("v")
    d.barrier()
    for _ in range(3):
        d.kill()
        d = p.daemon()
        equal({u: d.unit(u)["pid"] for u in pids}, pids, "the jobs that run")
        equal({u: d.state(u) for u in pids}, dict.fromkeys(pids, "starting"), "their states")
    gate.touch()
    d.until_state("start", "active")
    d.until_state("again", "done")
    p.until_runs("again", 2)
    d.until_state("again", "done")
    d.barrier()
    equal([r.argv[0] for r in p.runs("start")], ["start"], "the replug was over before the start was")
    equal(len(p.runs("fails")), 1, "runs of fails")
    equal(len(p.runs("again")), 2, "it came true again during its run: once more")


@test
def killed_in_a_stop(p):
    gate = p.out / ".gate"
    name = p.name("v")
    p.unit("u", f"while: 'network interface[name = \"{name}\"]'\n" +
           p.command(stop=True, then=f'[ "$1" = start ] || until [ -e {gate} ]; do sleep 0.02; done'))
    d = p.daemon()
    p.add_link("v")
    d.until_state("u", "active")
    p.del_link(name)
    p.until_runs("u", 1, "stop")
    d.kill()
    d = p.daemon()
    equal(d.state("u"), "stopping", "adopted")
    p.add_link("v")
    d.barrier()
    equal(len(p.runs("u", "start")), 1, "not while it stops")
    d.kill()
    d = p.daemon()
    gate.touch()
    p.until_runs("u", 2, "start")
    d.until_state("u", "active")
    equal([r.argv[0] for r in p.runs("u")], ["start", "stop", "start"], "what ran")


@test
def a_damaged_journal_does_not_keep_it_down(p):
    p.add_link("v", kind="bridge")
    p.unit("u", f"when: 'network interface[name = \"{p.name('v')}\"]'\n" + p.command())
    d = p.daemon()
    d.until_state("u", "done")
    d.kill()
    journal = p.dir / "run/journal"
    whole = journal.read_bytes()
    for damage in (whole[:-3], whole + b"\nunit\tu\ttrue", whole + b"\ngarbage\0\xff\t.", whole + b"\n" + b"x" * 100_000):
        journal.write_bytes(damage)
        d = p.daemon()
        d.barrier()
        d.kill()
    check(len(p.runs("u")) <= 2, "a cut record is the last one's at most", p.runs("u"))
