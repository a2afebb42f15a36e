"""Beside a real udevd: a device is seen when the kernel announces it, and ready when udev has processed
it. udevd may come late, die, come again, rename what it finds, or be asked to look at everything again."""
import time

from checks import check, contains, equal, eventually, test
from udevd import UdevMachine


def link(name, state=""):
    return f"'network interface[name = \"{name}\"] {state}'"


def start(p, machine, *args):
    return p.daemon(*args, prefix=machine.prefix, root=False)


def device(d, name):
    return next((x for x in d.json("devices", "network interface") if x["name"] == name), None)


@test
def ready_is_when_udev_is_done(p):
    with UdevMachine(p) as m:
        program, opened = m.gate("slow")
        m.rule(f'ACTION=="add", SUBSYSTEM=="net", KERNEL=="u*", IMPORT{{program}}="{program}"')
        m.start_udevd()
        p.unit("seen", f"while: {link('u0', 'seen')}\n" + p.command(stop=True))
        p.unit("ready", f"while: {link('u0')}\n" + p.command(stop=True))
        p.unit("none", f"while: 'no {link('u0')[1:]}\n" + p.command(stop=True))
        p.unit("event", f"each-event: {link('u0')}\nactions: [add, change, remove]\n" + p.command(word="$"))
        p.unit("eventseen", f"each-event: {link('u0', 'seen')}\n" + p.command())
        d = start(p, m)
        equal(d.status()["udev"], "running", "what is known of udevd")
        d.until_state("none", "active")
        m.add_link("u0")
        d.until_state("seen", "active")
        p.until_runs("eventseen", 1)
        equal(d.state("ready"), "waiting", "while udev works on it")
        contains(d.ask("explain", "ready").stdout, "udev is not done with it", "explain")
        equal([r.argv for r in p.runs("event")], [], "its events wait")
        equal(device(d, "u0")["level"], "seen", "level")
        # Unknown: nothing is stopped on it.
        equal(d.state("none"), "active", "the unit that wants no such interface")
        opened()
        d.until_state("ready", "active")
        d.until_state("none", "waiting")
        p.until_runs("event", 1)
        equal(p.runs("ready")[0].env.get("GATE"), "slow", "what udev said reaches the script")
        equal(p.runs("event")[0].env.get("GATE"), "slow", "… and that of each event")
        equal(device(d, "u0")["level"], "ready", "level")
        m.del_link("u0")
        d.until_state("ready", "waiting")
        p.until_runs("event", 2)
        equal([r.argv[0] for r in p.runs("ready")], ["start", "stop"], "runs")
        equal([r.env["ACTION"] for r in p.runs("event")], ["add", "remove"], "events")
        equal(d.counters()["lost"], 0, "lost")


@test
def a_trigger_runs_nothing_again(p):
    with UdevMachine(p) as m:
        m.start_udevd()
        m.add_link("u0")
        m.settle()
        p.unit("w", f"while: {link('u0')}\n" + p.command(stop=True))
        p.unit("t", f"when: {link('u*')}\n".replace("name =", "name ~") + p.command())
        p.unit("first", "when: 'first network interface[name ~ \"u*\"]'\n" + p.command())
        p.unit("e", "each-event: 'network interface[name ~ \"u*\"]'\nactions: [add, change, bind, move, remove]\n" + p.command())
        d = start(p, m)
        for unit in ("w", "t", "first"):
            d.until_state(unit, "active", "done")
        p.until_runs("e", 1)
        before = d.counters()["received_udev"]
        for action in ("add", "change", "bind", "remove"):
            m.run("udevadm", "trigger", "--action", action, "--subsystem-match", "net")
            m.settle()
        eventually(lambda: d.counters()["received_udev"] >= before + 8, "udev's copies are in", d.log_text)
        m.add_link("u1")  # what comes after it is in, it is
        p.until_runs("e", 2)
        equal({u: len(p.runs(u)) for u in ("w", "t", "first", "e")}, {"w": 1, "t": 1, "first": 1, "e": 2}, "runs")


@test
def udevd_comes_late(p):
    """It is installed, and not up when the daemon starts: its devices wait for it."""
    with UdevMachine(p) as m:
        m.add_link("u0")
        p.unit("w", f"while: {link('u0')}\n" + p.command(stop=True))
        p.unit("new", f"while: {link('u1')}\n" + p.command(stop=True))
        d = start(p, m)
        equal(d.status()["udev"], "down", "what is known of udevd")
        m.add_link("u1")
        d.wait("network interface[name = \"u1\"] seen")
        equal([d.state("w"), d.state("new")], ["waiting", "waiting"], "before udevd is up")
        m.start_udevd()
        eventually(lambda: d.status()["udev"] == "running", "that it runs is noticed", d.log_text)
        m.run("udevadm", "trigger", "--action", "add", "--subsystem-match", "net")
        d.until_state("w", "active")
        d.until_state("new", "active")
        equal([len(p.runs("w")), len(p.runs("new"))], [1, 1], "runs")


@test
def udevd_dies_and_comes_again(p):
    with UdevMachine(p) as m:
        m.start_udevd()
        m.add_link("u0")
        p.unit("w", f"while: {link('u0')}\n" + p.command(stop=True))
        p.unit("new", f"while: {link('u1')}\n" + p.command(stop=True))
        p.unit("lost", f"while: {link('u2')}\n" + p.command(stop=True))
        d = start(p, m)
        d.until_state("w", "active")
        m.kill_udevd()
        m.add_link("u2")  # no udevd will ever hear of it
        d.wait("network interface[name = \"u2\"] seen")
        m.start_udevd()
        m.add_link("u1")
        d.until_state("new", "active")
        equal(d.state("w"), "active", "whose device was ready before")
        # udevd is idle and has said nothing for 10 s.
        d.until_state("lost", "active")
        contains(d.log_text(), "udev is idle and has said nothing of", "the log")
        equal({u: len(p.runs(u)) for u in ("w", "new", "lost")}, {"w": 1, "new": 1, "lost": 1}, "runs")


@test
def udevd_renames_an_interface(p):
    with UdevMachine(p) as m:
        m.rule('ACTION=="add", SUBSYSTEM=="net", KERNEL=="u0", NAME="lan0"')
        m.start_udevd()
        p.unit("old", f"when: {link('u0')}\n" + p.command())
        p.unit("lan", f"while: {link('lan0')}\n" + p.command(stop=True))
        p.unit("first", "when: 'first network interface[name ~ \"u*\"] seen'\n" + p.command())
        p.unit("e", "each-event: 'network interface[name ~ \"lan*\"]'\nactions: [add, move, remove]\n" + p.command())
        d = start(p, m)
        m.add_link("u0")
        d.until_state("lan", "active")
        m.settle()
        d.until_state("first", "done")
        m.add_link("u9")
        d.wait("network interface[name = \"u9\"]")
        equal(d.state("old"), "waiting", "under its old name it was never ready")
        equal(device(d, "lan0")["level"], "ready", "level")
        equal({u: len(p.runs(u)) for u in ("lan", "first")}, {"lan": 1, "first": 1}, "runs")
        m.del_link("lan0")
        d.until_state("lan", "waiting")
        check(all(r.env["ACTION"] in ("add", "move", "remove") for r in p.runs("e")), "events", p.runs("e"))


@test
def what_happened_before_the_daemon_is_in_udevs_database(p):
    with UdevMachine(p) as m:
        m.rule('SUBSYSTEM=="net", KERNEL=="u*", ENV{ID_COLOUR}="green"')
        m.start_udevd()
        m.add_link("u0")
        m.settle()
        p.unit("w", "while: 'network interface[ID_COLOUR = \"green\"]'\n" + p.command(stop=True))
        d = start(p, m)
        d.until_state("w", "active")
        equal(p.runs("w")[0].env.get("ID_COLOUR"), "green", "the property")
        check("lo" in [x["name"] for x in d.json("devices") if x["level"] == "seen" or x["level"] == "ready"], "lo is there")
        # The kernel's next word does not take away what udev said, also before udev repeats it.
        began = time.monotonic()
        for _ in range(20):
            m.run("ip", "link", "set", "u0", "alias", "x")
            m.sh("echo change >/sys/class/net/u0/uevent")
            equal(device(d, "u0")["properties"].get("ID_COLOUR"), "green", "the property, after a change")
        equal([r.argv[0] for r in p.runs("w")], ["start"], f"runs within {time.monotonic() - began:.1f} s")
