"""Real network interfaces and loop devices drive when, while, first, counts, for and linger."""
import os
import time

from checks import check, contains, equal, eventually, test


@test
def while_starts_and_stops_with_the_link(p):
    name = p.name("v")
    p.unit("u", f"description: d\nwhile: 'network interface[name = \"{name}\"]'\n" + p.command(stop=True))
    d = p.daemon()
    equal(d.state("u"), "waiting", "before")
    contains(d.ask("explain", "u").stdout, "Missing", "explain names what is missing")
    p.add_link("v")
    (start,) = p.until_runs("u", 1)
    index = open(f"/sys/class/net/{name}/ifindex").read().strip()
    expected = {"ACTION": "add", "DEVPATH": f"/devices/virtual/net/{name}", "SUBSYSTEM": "net",
                "INTERFACE": name, "IFINDEX": index, "DEVMUX_UNIT": "u",
                "DEVMUX_REASON": f'network interface[name = "{name}"]'}
    equal({k: start.env.get(k) for k in expected}, expected, "variables at the start")
    check(start.env.get("SEQNUM", "").isdigit(), "SEQNUM: an event was the reason", start.env)
    equal(start.argv, ["start"], "arguments")
    d.until_state("u", "active")
    p.del_link(name)
    stop = p.until_runs("u", 1, "stop")[0]
    expected |= {"ACTION": "remove", "DEVMUX_REASON": f'no longer: network interface[name = "{name}"]'}
    equal({k: stop.env.get(k) for k in expected}, expected, "variables at the stop")
    d.until_state("u", "waiting")
    p.add_link("v")
    p.until_runs("u", 2, "start")
    d.until_state("u", "active")


@test
def when_starts_at_each_edge_and_never_stops(p):
    name = p.name("v")
    when = f"when: 'network interface[name = \"{name}\"]'\n"
    p.unit("task", when + p.command())
    p.unit("service", when + p.command(stop=True))
    d = p.daemon()
    for edge in (1, 2, 3):
        p.add_link("v")
        p.until_runs("task", edge)
        d.until_state("task", "done")
        d.until_state("service", "active")
        p.del_link(name)
        d.wait_link(name, there=False)
    equal([r.argv for r in p.runs("service")], [["start"]], "the service: started once, never stopped")
    equal(len(p.runs("task")), 3, "the task: once for each false to true")


@test
def first_counts_once(p):
    p.unit("u", f"when: 'first network interface[name ~ \"{p.tag}f*\"] only'\n" + p.command())
    d = p.daemon()
    one = p.add_link("f1", kind="bridge")
    (run,) = p.until_runs("u", 1)
    equal(run.env["INTERFACE"], one, "the first wins")
    two = p.add_link("f2", kind="bridge")
    d.barrier()
    for link in (one, two):
        p.del_link(link)
    p.add_link("f1", kind="bridge")
    d.barrier()
    equal(len(p.runs("u")), 1, "neither the second nor a replug starts it")
    d.terminate()
    d = p.daemon()
    p.add_link("f3", kind="bridge")
    d.barrier()
    equal(len(p.runs("u")), 1, "nor after a restart")
    d.ask("reset", "--latch", "u")
    equal(len(p.until_runs("u", 2)), 2, "reset --latch lets the next one win")


@test
def counts_of_links(p):
    which = f'network interface[name ~ "{p.tag}c*"]'
    for name, words in {"least": "at least 2", "exactly": "exactly 2", "most": "at most 1", "none": "no"}.items():
        p.unit(name, f"while: '{words} {which}'\n" + p.command(stop=True))
    d = p.daemon()

    def now():
        return {u: d.state(u) == "active" for u in ("least", "exactly", "most", "none")}

    for count, expected in enumerate([(0, 0, 1, 1), (0, 0, 1, 0), (1, 1, 0, 0), (1, 0, 0, 0)]):
        if count:
            p.add_link(f"c{count}", kind="bridge")
        expected = dict(zip(("least", "exactly", "most", "none"), map(bool, expected)))
        eventually(lambda e=expected: now() == e, f"with {count} links {expected}", lambda: str(now()))
    equal(d.truth(f"exactly 3 {which}"), "true", "eval counts too")


@test
def for_asks_for_a_while(p):
    p.unit("u", f"when: 'network interface[name = \"{p.name('v')}\"] for 2s'\n" + p.command())
    d = p.daemon()
    p.del_link(p.add_link("v"))
    again = time.time()
    p.add_link("v")
    (run,) = p.until_runs("u", 1)
    check(run.at >= again + 2, "the clock began anew with the second device", run.at - again)
    d.until_state("u", "done")
    equal(len(p.runs("u")), 1, "runs")


@test
def linger_bridges_a_gap(p):
    name = p.name("v")
    p.unit("u", f"while: 'network interface[name = \"{name}\"]'\nlinger: 2s\n" + p.command(stop=True))
    d = p.daemon()
    p.add_link("v")
    d.until_state("u", "active")
    p.del_link(name)
    p.add_link("v")
    d.barrier()
    gone = time.time()
    p.del_link(name)
    (stop,) = p.until_runs("u", 1, "stop")
    check(stop.at >= gone + 2, "it lingers", stop.at - gone)
    equal([r.argv[0] for r in p.runs("u")], ["start", "stop"], "the gap stopped nothing")


@test
def rename_is_a_move(p):
    old, new = p.name("old"), p.name("new")
    for unit, name in (("old", old), ("new", new)):
        p.unit(unit, f"while: 'network interface[name = \"{name}\"]'\n" + p.command(stop=True))
    p.unit("any", f"while: 'network interface[name ~ \"{p.tag}*\"]'\n" + p.command(stop=True))
    p.unit("moves", f"each-event: 'network interface[name ~ \"{p.tag}*\"]'\nactions: [move, add, remove]\n" + p.command())
    d = p.daemon()
    p.add_link("old", kind="bridge")
    d.until_state("old", "active")
    p.rename_link(old, new)
    d.until_state("new", "active")
    d.until_state("old", "waiting")
    move = p.until_runs("moves", 2)[1]
    equal([move.env.get(k) for k in ("ACTION", "DEVPATH", "DEVPATH_OLD", "INTERFACE")],
          ["move", f"/devices/virtual/net/{new}", f"/devices/virtual/net/{old}", new], "the move")
    d.barrier()
    equal([r.argv[0] for r in p.runs("any")], ["start"], "for who asks for either, nothing happened")
    p.del_link(new)
    p.until_runs("any", 1, "stop")

    def actions():
        return sorted(r.env["ACTION"] for r in p.runs("moves") if "B" not in r.env["INTERFACE"][6:7])
    eventually(lambda: len(actions()) >= 3, "the removal is run", lambda: str(actions()))
    equal(actions(), ["add", "move", "remove"], "events of the device")


@test
def loop_devices_come_and_go(p):
    number = p.add_loop()
    p.del_loop(number)
    name = f"loop{number}"
    p.unit("u", f"while: 'block device[name = \"{name}\"]'\n" + p.command(stop=True))
    p.unit("disk", f"when: 'disk[name = \"{name}\"]'\n" + p.command())
    d = p.daemon()
    p.add_loop(number)
    (start,) = p.until_runs("u", 1)
    expected = {"DEVNAME": f"/dev/{name}", "SUBSYSTEM": "block", "DEVTYPE": "disk", "MAJOR": "7",
                "MINOR": str(number), "DEVPATH": f"/devices/virtual/block/{name}", "ACTION": "add",
                "DISKSEQ": open(f"/sys/block/{name}/diskseq").read().strip()}
    equal({k: start.env.get(k) for k in expected}, expected, "variables")
    d.until_state("u", "active")
    p.del_loop(number)
    (stop,) = p.until_runs("u", 1, "stop")
    equal([stop.env[k] for k in ("ACTION", "DEVNAME")], ["remove", f"/dev/{name}"], "at the stop")
    equal(p.runs("disk"), [], "a loop device is no disk")


@test
def two_daemons_hear_the_same(p):
    name = p.name("v")
    other = p.dir / "other.d"
    p.unit("u", f"when: 'network interface[name = \"{name}\"]'\n" + p.command())
    os.mkdir(other)
    (other / "o.yaml").write_text(f"when: 'network interface[name = \"{name}\"]'\n" + p.command())
    p.daemon()
    p.daemon(units=[p.units, other], runtime=p.dir / "run2")
    p.add_link("v")
    p.until_runs("u", 2)
    p.until_runs("o", 1)


@test
def what_is_there_before_the_daemon_counts(p):
    """Coldplug: the link is found by the walk; a unit with `no` waits until the walk is complete."""
    p.add_link("v", kind="bridge")
    name = p.name("v")
    p.unit("there", f"when: 'network interface[name = \"{name}\"]'\n" + p.command())
    p.unit("absent", f"when: 'no network interface[name = \"{name}X\"]'\n" + p.command())
    p.unit("each", f"each-event: 'network interface[name = \"{name}\"]'\n" + p.command())
    p.daemon()
    for unit in ("there", "absent", "each"):
        p.until_runs(unit, 1)
    check("SEQNUM" not in p.runs("there")[0].env, "SEQNUM: no event was the reason", p.runs("there")[0].env)
    env = p.runs("each")[0].env
    equal([env.get(k) for k in ("ACTION", "INTERFACE", "SEQNUM")], ["add", name, None], "found, not announced")
