"""Programs that cause what starts them: found out, named, and braked; and what must not be slowed."""
import subprocess
import time

from checks import check, contains, equal, eventually, test
from storm import FLOOD
from uevents import ask_for, link_path

# Unbraked, each of these loops would run thousands of times. The law allows some: until the suspicion,
# and then after 1, 2, 4 … s.
A_STORM = 60


def braked(p, d, unit, says):
    """The daemon has named the unit, holds it back, and shows that."""
    d.until_log(says, 2)
    eventually(lambda: "held back" in d.unit(unit)["remark"], "status says that it is held back",
               lambda: str(d.unit(unit)))
    contains(d.ask("status").stdout, "is held back" if d.unit(unit)["kind"] == "each-event" else "held back for",
             "the list of all units shows it")
    check(len(p.runs(unit)) < A_STORM, f"runs of {unit}", len(p.runs(unit)))


@test
def a_program_that_asks_for_its_own_event(p):
    name = p.add_link("v", kind="bridge")
    p.unit("u", f"each-event: 'network interface[name = \"{name}\"]'\nactions: [change]\nsynthetic: true\n" +
           p.command(then="echo change >/sys$DEVPATH/uevent"))
    d = p.daemon()
    ask_for(link_path(name))
    braked(p, d, "u", f'seems to cause the "change" of /devices/virtual/net/{name} that runs it')
    contains(d.log_text(), "u: its own program", "the unit is named")
    before = d.unit("u")
    equal(before["queued"], 1, "the next run waits, it is not lost")
    d.ask("reload")
    contains(d.unit("u")["remark"], "held back", "a reload changes nothing")
    d.ask("reset", "u")
    d.until_starts("u", before["starts"] + 5)  # by hand: at once, and the count begins anew


@test
def a_program_whose_events_are_the_kernels(p):
    """It renames its link, to and fro: real events, of one device under two names."""
    one, two = p.name("a"), p.name("b")
    p.unit("u", f"each-event: 'network interface[name = \"{one}\" or name = \"{two}\"]'\nactions: [move]\n" +
           p.command(then=f'case $INTERFACE in {one}) to={two} ;; *) to={one} ;; esac; '
                          'ip link set "$INTERFACE" name $to'))
    d = p.daemon()
    p.add_link("a", kind="bridge")
    d.wait_link(one)
    p.rename_link(one, two)
    braked(p, d, "u", 'seems to cause the "move" of')


@test
def a_program_that_resets_its_device(p):
    name = p.name("v")
    p.unit("u", f"when: 'network interface[name = \"{name}\"]'\n" +
           p.command(then=f"ip link del {name}; ip link add {name} type bridge"))
    p.unit("w", f"while: 'network interface[name = \"{name}\"]'\n" + p.command(stop=True))
    d = p.daemon()
    p.add_link("v", kind="bridge")
    d.until_log("u: its own program seems to make its condition come and go", 2)
    contains(d.log_text(), f"come and go (/devices/virtual/net/{name})", "the device is named")
    eventually(lambda: "held back for another" in d.unit("u")["remark"], "status", lambda: str(d.unit("u")))
    contains(d.ask("explain", "u").stdout, "held back for another", "explain")
    contains(d.ask("status").stdout, "held back for another", "the list of all units")
    runs = len(p.runs("u"))
    check(runs < A_STORM, "runs", runs)
    d.ask("start", "u")
    check(len(p.runs("u")) > runs, "by hand it is started at once")


@test
def a_burst_is_not_slowed(p):
    name = p.add_link("v", kind="bridge")
    p.unit("u", f"each-event: 'network interface[name = \"{name}\"]'\nactions: [change]\nsynthetic: true\n"
                "command: {start: [/bin/true]}\n")
    d = p.daemon()
    began = time.monotonic()
    subprocess.run(["python3", "-c", FLOOD, f"{link_path(name)}/uevent", "4000"], check=True)
    d.until_starts("u", 4000)
    eventually(lambda: d.unit("u")["state"] == "waiting", "the last run ends")
    equal([d.starts("u"), d.counters()["dropped_runs"], d.counters()["lost"]], [4000, 0, 0], "each once")
    check("held back" not in d.log_text(), "nobody is accused", d.log_text())
    print(f"     4000 runs in {time.monotonic() - began:.1f} s")
