"""each-event units, and events that somebody asked for."""
import os

from checks import check, contains, equal, eventually, test
from uevents import ask_for, link_path


def each(p, more=""):
    return f"each-event: 'network interface[name ~ \"{p.tag}v*\" and name !~ \"*Q\"]'\n" + more + p.command()


@test
def each_event_in_order_with_variables(p):
    p.unit("u", each(p))
    d = p.daemon()
    names = [p.add_link(f"v{i}") for i in range(4)]
    for name in names:
        p.del_link(name)
    p.until_runs("u", 8)
    for name in names:
        mine = [r.env for r in p.runs("u") if r.env["INTERFACE"] == name]
        equal([e["ACTION"] for e in mine], ["add", "remove"], f"events of {name}, in order")
        check(int(mine[0]["SEQNUM"]) < int(mine[1]["SEQNUM"]), "SEQNUM grows", mine)
        equal([(e["DEVPATH"], e["SUBSYSTEM"], e["DEVMUX_UNIT"]) for e in mine],
              [(f"/devices/virtual/net/{name}", "net", "u")] * 2, "variables")
        equal([e["DEVMUX_REASON"] for e in mine],
              [f"{a} /devices/virtual/net/{name}" for a in ("add", "remove")], "reasons")
    equal([r.argv for r in p.runs("u")], [["start"]] * 8, "always the program to start")
    equal(d.starts("u"), 8, "status counts them")


@test
def each_event_never_overlaps_for_one_device(p):
    """The first run is held until the later events have come; they wait for it, other devices do not."""
    gate = p.out / ".gate"
    hold = f'[ "$ACTION $INTERFACE" != "add {p.name("va")}" ] || until [ -e {gate} ]; do sleep 0.02; done'
    p.unit("u", f"each-event: 'network interface[name ~ \"{p.tag}v?\"]'\n" + p.command(then=hold))
    d = p.daemon()
    a = p.add_link("va", kind="bridge")
    p.until_runs("u", 1)
    p.del_link(a)
    b = p.add_link("vb", kind="bridge")
    p.until_runs("u", 2)
    eventually(lambda: d.unit("u")["queued"] == 1, "the removal waits for its turn")
    equal([(r.env["ACTION"], r.env["INTERFACE"]) for r in p.runs("u")], [("add", a), ("add", b)], "before")
    gate.touch()
    equal(p.until_runs("u", 3)[2].env["ACTION"], "remove", "and comes then")


@test
def each_event_fails_and_goes_on(p):
    p.unit("u", f"each-event: 'network interface[name ~ \"{p.tag}v?\"]'\n" + p.command(then="exit 3"))
    d = p.daemon()
    for name in ("va", "vb"):
        p.add_link(name, kind="bridge")
    p.until_runs("u", 2)
    d.until_log("exited with status 3", 2)
    equal(d.state("u"), "waiting", "a run that fails changes nothing")


@test
def each_event_held_by_hand(p):
    p.unit("u", each(p, "actions: [add]\n"))
    d = p.daemon()
    d.ask("stop", "u")
    p.add_link("v1")
    d.barrier()
    equal(p.runs("u"), [], "what is stopped passes its events over")
    d.ask("start", "u")
    p.add_link("v2")
    equal(p.until_runs("u", 1)[0].env["INTERFACE"], p.name("v2"), "start lets it go on")
    done = d.ask("start", "u", code=5)
    contains(done.stderr, "each-event", "it cannot be started by hand")


@test
def asked_for_events_start_nothing(p):
    name = p.add_link("v", kind="bridge")
    for unit, more in {"plain": "actions: [add, remove, change]\n",
                       "synth": "actions: [add, remove, change]\nsynthetic: true\n"}.items():
        p.unit(unit, f"each-event: 'network interface[name = \"{name}\"]'\n" + more + p.command())
    p.unit("task", f"when: 'network interface[name = \"{name}\"]'\n" + p.command())
    p.unit("service", f"while: 'network interface[name = \"{name}\"]'\n" + p.command(stop=True))
    p.unit("first", f"when: 'first network interface[name ~ \"{name}*\"]'\n" + p.command())
    d = p.daemon()
    units = ("plain", "synth", "task", "service", "first")
    for unit in units:
        p.until_runs(unit, 1)
    d.until_state("service", "active")
    path, uid = link_path(name), "12345678-1234-1234-1234-1234567890ab"
    ask_for(path, "change")
    ask_for(path, "add")
    ask_for(path, "remove")
    ask_for(path, "change", "ASKED=yes", "PATH=evil", uid=uid)
    runs = p.until_runs("synth", 4)[1:]
    d.barrier()
    # A synthetic remove of a device that is there is not true, and nobody hears of it.
    equal([r.env["ACTION"] for r in runs], ["change", "add", "change"], "synthetic: true runs for all else")
    equal([runs[2].env.get(k) for k in ("SYNTH_UUID", "SYNTH_ARG_ASKED", "SYNTH_ARG_PATH")],
          [uid, "yes", "evil"], "what was asked with")
    check(runs[2].env["PATH"].startswith("/usr/local/sbin:"), "PATH is devmux's own", runs[2].env["PATH"])
    for unit in ("plain", "task", "service", "first"):
        equal(len(p.runs(unit)), 1, f"runs of {unit}")
    equal(d.state("service"), "active", "a synthetic remove removes nothing")
    check(d.counters()["synthetic"] >= 4, "counted", d.counters())


@test
def asking_again_refreshes_an_attribute(p):
    """operstate changes without an event; a synthetic change makes devmux look."""
    name = p.add_link("v")
    p.unit("u", f"while: 'network interface[name = \"{name}\" and attr.operstate = \"up\"]'\n" + p.command(stop=True))
    d = p.daemon()
    d.barrier()
    equal(d.state("u"), "waiting", "down")
    for link in (name, name[:14] + "Q"):
        os.system(f"ip link set {link} up")
    eventually(lambda: open(f"{link_path(name)}/operstate").read() == "up\n", "the link is up")
    ask_for(link_path(name), "change")
    d.until_state("u", "active")


@test
def asked_for_on_what_is_no_class(p):
    """`change` of /sys/class/mem/null: counted, and concerns nobody."""
    d = p.daemon()
    before = d.counters()
    for _ in range(10):
        ask_for("/sys/class/mem/null")
    d.barrier()
    after = d.counters()
    check(after["synthetic"] >= before["synthetic"] + 10, "synthetic", before, after)
    equal([after[k] for k in ("lost", "unsaved", "dropped_runs")], [0, 0, 0], "nothing lost")
