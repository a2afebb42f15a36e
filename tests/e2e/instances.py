"""for-each with real interfaces: they come, go, are renamed and replaced, also while no daemon runs."""
import collections
import os

from checks import check, contains, equal, eventually, test
from place import run


def unit(p, which="*", more="", then=None):
    program = p.recorder if then is None else p.record_with("slow", then)
    return (f"description: d\nfor-each: 'network interface[name ~ \"{p.tag}{which}\" and name !~ \"*Q\"]'\n{more}"
            f"command: {{start: [{program}, start, \"{{name}}\"], stop: [{program}, stop, \"{{name}}\"]}}\n")


def instances(d):
    return {u["name"]: u["state"] for u in d.json("list") if u["of"]}


def ran(p, name):
    """What one instance was called with, in order."""
    return [r.argv for r in p.runs() if r.env["DEVMUX_INSTANCE"] == name]


@test
def what_one_has_printed_outlives_it(p):
    name = p.name("t")
    p.unit("talks", f"for-each: network interface[name = \"{name}\"]\n"
                    "command: {start: [/bin/echo, 'hello,', \"{name}\"], stop: [/bin/true]}\n")
    d = p.daemon()
    p.add_link("t")
    d.until_state(f"talks@{name}", "active")
    p.del_link(name)
    eventually(lambda: instances(d) == {}, "it is forgotten")
    contains(d.ask("log", f"talks@{name}").stdout, f"hello, {name}", "its log")
    d.ask("log", "talks@never-there", code=4)


@test
def one_for_each_link(p):
    p.unit("u", unit(p))
    d = p.daemon()
    equal(instances(d), {}, "none")
    contains(d.unit("u")["remark"], "no instance", "and it says so")
    names = [p.add_link(x, kind="bridge") for x in "abc"]
    for n in names:
        d.until_state(f"u@{n}", "active")
    equal(d.unit("u")["instances"], [f"u@{n}" for n in names], "instances")
    equal([d.unit("u")["state"], d.unit("u")["remark"]], ["for-each", "3 instances: 3 active"], "and how many in which state")
    a, b, c = names
    one = p.runs()[0]
    equal([one.env["DEVMUX_UNIT"], one.env["DEVMUX_INSTANCE"], one.env["INTERFACE"], one.env["ACTION"], one.argv],
          ["u", f"u@{one.argv[1]}", one.argv[1], "add", ["start", one.argv[1]]], "what a start gets")
    equal(d.unit(f"u@{a}")["device"], f"/devices/virtual/net/{a}", "its device")
    contains(d.ask("explain", f"u@{a}").stdout, f"it: {a} (/devices/virtual/net/{a})", "explain names it")
    contains(d.ask("status").stdout, f"u@{b}", "status lists them")
    p.del_link(b)
    eventually(lambda: f"u@{b}" not in instances(d), "it is forgotten")
    last = p.runs()[-1]
    equal([last.argv, last.env["ACTION"], last.env["INTERFACE"]], [["stop", b], "remove", b], "with what was known of it last")
    # By hand.
    d.ask("stop", f"u@{a}")
    equal(d.unit(f"u@{a}")["hold"], "down", "one is stopped by hand")
    equal(d.state(f"u@{c}"), "active", "and not the other")
    wrong = d.ask("stop", f"u@{b}", code=4)
    contains(wrong.stderr, f"no instance \"u@{b}\"", "who is not there")
    contains(wrong.stderr, f"u@{a}, u@{c}", "and who is")
    contains(d.ask("start", "u", code=5).stderr, "name one", "the unit itself is not started")
    d.ask("start", f"u@{a}")
    equal(d.state(f"u@{a}"), "active", "again")
    p.rename_link(a, p.name("z"))
    eventually(lambda: d.unit(f"u@{a}")["device"].endswith(p.name("z")), "a renamed device keeps its instance")
    p.del_link(p.name("z"))
    eventually(lambda: f"u@{a}" not in instances(d), "also one that was started by hand goes with its device")
    equal(ran(p, f"u@{a}"), [["start", a], ["stop", a], ["start", a], ["stop", p.name("z")]], "called by its present name")
    check("u@" not in "".join(l for l in d.log_text().splitlines() if "bug" in l), "nothing strange", d.log_text())


@test
def replaced_while_it_stops(p):
    """Fast: ip in batch, while scripts take their time."""
    p.unit("u", unit(p, then="sleep 0.2"))
    d = p.daemon()
    name = p.add_link("a", kind="bridge")
    for _ in range(8):
        d.barrier() if _ % 3 == 0 else None
        p.del_link(name)
        p.add_link("a", kind="bridge")
    index = open(f"/sys/class/net/{name}/ifindex").read().strip()

    def serves_the_last():
        starts = [r for r in p.runs("u", "start")]
        return d.state(f"u@{name}") == "active" and starts[-1].env["IFINDEX"] == index
    eventually(serves_the_last, "the last one's runs", lambda: str(ran(p, f"u@{name}")))
    d.barrier()
    verbs = [argv[0] for argv in ran(p, f"u@{name}")]
    equal(verbs, ["start", "stop"] * (len(verbs) // 2) + ["start"], "never two, and none too many")


@test
def limit(p):
    p.unit("u", unit(p, more="instances: 2\n"))
    d = p.daemon()
    a, b, c = [p.add_link(x, kind="bridge") for x in "abc"]
    d.wait_link(c)
    eventually(lambda: instances(d) == {f"u@{a}": "active", f"u@{b}": "active"}, "two of three", lambda: str(instances(d)))
    contains(d.unit("u")["remark"], "wait for a place", "and it says so")
    p.del_link(a)
    eventually(lambda: instances(d) == {f"u@{b}": "active", f"u@{c}": "active"}, "the third has the place", lambda: str(instances(d)))


@test
def follows_its_own_link(p):
    p.unit("u", unit(p, more="while: it up\n"))
    d = p.daemon()
    a, b = [p.add_link(x, kind="bridge") for x in "ab"]
    eventually(lambda: instances(d) == {f"u@{a}": "waiting", f"u@{b}": "waiting"}, "both wait", lambda: str(instances(d)))
    run("ip", "link", "set", a, "up")
    d.until_state(f"u@{a}", "active")
    equal(d.state(f"u@{b}"), "waiting", "the other is down")
    contains(d.ask("explain", f"u@{b}").stdout, "down", "and explain says so")
    run("ip", "link", "set", a, "down")
    d.until_state(f"u@{a}", "waiting")
    equal(ran(p, f"u@{a}"), [["start", a], ["stop", a]], "what ran")


@test
def killed(p):
    """kill -9, and meanwhile one goes, one comes, and one is replaced."""
    p.unit("u", unit(p, then="sleep 0.05"))
    d = p.daemon()
    a, b, c = [p.add_link(x, kind="bridge") for x in "abc"]
    for n in (a, b, c):
        d.until_state(f"u@{n}", "active")
    d.kill()
    p.del_link(a)
    p.del_link(b)
    p.add_link("b", kind="bridge")
    new = p.add_link("d", kind="bridge")
    d = p.daemon()
    want = {f"u@{n}": "active" for n in (b, c, new)}
    eventually(lambda: instances(d) == want, "as it is now", lambda: str(instances(d)))
    eventually(lambda: len(ran(p, f"u@{b}")) == 3, "b was stopped and started", lambda: str(ran(p, f"u@{b}")))
    equal({n: [x[0] for x in ran(p, f"u@{n}")] for n in (a, b, c, new)},
          {a: ["start", "stop"], b: ["start", "stop", "start"], c: ["start"], new: ["start"]}, "what ran")
    gone = [r for r in p.runs() if r.argv == ["stop", a]][0]
    equal([gone.env["INTERFACE"], gone.env["ACTION"]], [a, "remove"], "with what the former engine knew")


@test
def killed_again_and_again(p):
    """Interfaces come, go and are replaced while the daemon is killed at any moment: in the end each runs for what
    is there, and starts and stops took turns."""
    p.unit("u", unit(p, then="sleep 0.02"))
    names = [p.name(x) for x in "abcdef"]
    there = set()
    for turn in range(30):
        d = p.daemon(wait=False)
        for n in (names[turn % 6], names[(turn * 5 + 2) % 6]):
            if n in there:
                p.del_link(n)
                there.discard(n)
            if n not in there and turn % 4:
                p.add_link(n, kind="bridge")
                there.add(n)
        if turn % 3:
            eventually(lambda: d.ask("status", code=None).returncode == 0, "it is up")
        d.kill()
    d = p.daemon()
    want = {f"u@{n}": "active" for n in there}
    eventually(lambda: instances(d) == want, "as it is now", lambda: str(instances(d)))
    d.barrier()
    verbs = collections.defaultdict(list)
    for r in p.runs():
        verbs[r.env["DEVMUX_INSTANCE"]].append(r.argv[0])
    for name, list_ in verbs.items():
        equal(list_, (["start", "stop"] * len(list_))[:len(list_)], f"{name}: never two")
    equal({n for n, v in verbs.items() if len(v) % 2}, set(want), "and what runs is what is there")


@test
def logs_of_those_that_went_long_ago(p):
    """A former daemon has left them, in this boot: the last 64 are kept, and what belongs to somebody."""
    p.unit("u", "description: d\n" + p.command())
    p.unit("broken", "description: d\nwhen: mause\n" + p.command())
    p.unit("runs", "description: d\nwhen: no file /nonexistent exists\n" + p.command(stop=True))
    d = p.daemon()
    d.until_state("runs", "active")
    d.kill()
    (p.units / "runs.yaml").unlink()
    (p.units / "masked.yaml").symlink_to("/dev/null")
    log = p.dir / "run/log"
    kept = ["u", "broken", "broken@x", "masked", "masked@x", "runs"]  # of "runs" there is no file, and it was up
    for name, at in [(f"gone@{i}", 1000 + i) for i in range(70)] + [(name, 1) for name in kept]:
        (log / name).write_text("x\n")
        os.utime(log / name, (at, at))
    (p.dir / "other").write_text("no log\n")
    (log / "link").symlink_to(p.dir / "other")
    p.daemon()
    equal(sorted(f.name for f in log.iterdir()), sorted([f"gone@{i}" for i in range(6, 70)] + kept + ["link"]), "logs")
    equal((p.dir / "other").read_text(), "no log\n", "what a link means is nobody's business")
