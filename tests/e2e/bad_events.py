"""Uevents that are forged, or that make no sense: refused or counted, told, and without effect."""
from checks import check, contains, equal, eventually, test
from uevents import Forger, ask_for, link_path, message, variables


def forged(p):
    """Messages about a link that is not there, good and bad."""
    path = f"/devices/virtual/net/{p.name('f')}"
    good = message("add", path, f"INTERFACE={p.name('f')}", "IFINDEX=99", "SEQNUM=1")
    return {
        "a good add": good,
        "truncated": good[:-5],
        "truncated in the header": b"add@/dev",
        "empty variables": good + b"\0\0\0",
        "oversized": good + b"A=" + b"b" * 100_000 + b"\0",
        "many variables": good + variables(*(f"A{i}=b" for i in range(10_000))),
        "without ACTION": variables(f"add@{path}", f"DEVPATH={path}", "SUBSYSTEM=net", "SEQNUM=2"),
        "without header": good[good.index(b"\0") + 1:],
        "= first": good + variables("=x"),
        "no =": good + variables("NOTHING"),
        "= and =": good + variables("A=b=c=", "==", "B="),
        "other ACTION": variables(f"add@{path}", "ACTION=remove", f"DEVPATH={path}", "SUBSYSTEM=net", "SEQNUM=3"),
        "climbing": message("add", "/devices/../../etc", "SEQNUM=4"),
        "udev's": b"libudev\0" + bytes(40) + good,
        "one byte": b"\0",
        "high bytes": bytes(range(128, 256)) * 10,
    }


def units(p):
    name = p.name("f")
    p.unit("when", f"when: 'network interface[name = \"{name}\"]'\n" + p.command())
    p.unit("each", f"each-event: 'network interface[name = \"{name}\"]'\nsynthetic: true\n"
                   "actions: [add, remove, change, move]\n" + p.command())
    p.unit("first", f"when: 'first network interface[name = \"{name}\"]'\n" + p.command())
    p.unit("good", f"while: 'network interface[name = \"{p.name('v')}\"]'\n" + p.command(stop=True))


def nothing_happened(p, d):
    for unit in ("when", "each", "first"):
        equal(len(p.runs(unit)), 0, f"runs of {unit}")
    names = [x["name"] for x in d.json("devices", "network", "interface")]
    check(p.name("f") not in names, "the device was not believed", names)
    p.add_link("v")
    d.until_state("good", "active")
    p.del_link(p.name("v"))
    d.until_state("good", "waiting")


@test
def only_the_kernel_is_believed(p):
    units(p)
    d = p.daemon()
    before = d.counters()["refused"]
    with Forger() as forger:
        for data in forged(p).values():
            forger.multicast(data)
        count = len(forged(p))
        d.barrier()
        refused = d.counters()["refused"]
        check(refused >= before + count, "all are counted as refused", refused - before, count)
        contains(d.log_text(), "an event for the source kernel was refused: from the netlink port", "the log")
        contains(d.ask("status").stdout, f"{refused} events refused", "status")
        # To the daemon's own port, past the group.
        ports = [int(line.split()[2]) for line in open("/proc/net/netlink").readlines()[1:]
                 if line.split()[1] == "15" and line.split()[3] == "00000001"]
        for port in ports:
            if port == d.pid:
                forger.unicast(forged(p)["a good add"], port)
                eventually(lambda: d.counters()["refused"] > refused, "a message to its own port is refused")
    nothing_happened(p, d)


@test
def a_forged_remove_stops_nothing(p):
    units(p)
    p.add_link("v")
    d = p.daemon()
    d.until_state("good", "active")
    before = d.counters()["refused"]
    path = f"/devices/virtual/net/{p.name('v')}"
    with Forger() as forger:
        forger.multicast(message("remove", path, f"INTERFACE={p.name('v')}", f"SEQNUM={2**63}"))
        forger.multicast(message("move", path + "X", f"DEVPATH_OLD={path}", f"SEQNUM={2**63 + 1}"))
    d.barrier()
    check(d.counters()["refused"] >= before + 2, "refused", d.counters())
    equal([r.argv[0] for r in p.runs("good")], ["start"], "it runs on")
    p.del_link(p.name("v"))
    p.until_runs("good", 1, "stop")


@test
def a_flood_of_forgeries(p):
    """20,000 of them: the log does not fill, and the kernel's own events come through between them."""
    units(p)
    d = p.daemon()
    before = d.counters()["refused"]
    data = forged(p)["a good add"]
    with Forger() as forger:
        for i in range(20_000):
            forger.multicast(data)
            if i == 10_000:
                p.add_link("v")
    d.until_state("good", "active")
    p.del_link(p.name("v"))
    d.until_state("good", "waiting")
    counters = d.counters()
    check(counters["refused"] >= before + 20_000, "refused", counters)
    equal(counters["lost"], 0, "lost")
    check(d.log_text().count("was refused") < 40, "the log is short")
    nothing_happened(p, d)


@test
def the_kernels_own_nonsense_is_malformed(p):
    """Sent by the kernel itself: not refused, but not believed either. (It adds SEQNUM= at the end, so a
    message without its last NUL is one with a strange last value.)"""
    units(p)
    path = f"/devices/virtual/net/{p.name('f')}"
    bad = {
        "without ACTION": variables(f"add@{path}", f"DEVPATH={path}", "SUBSYSTEM=net"),
        "without DEVPATH": variables(f"add@{path}", "ACTION=add", "SUBSYSTEM=net"),
        "without SUBSYSTEM": variables(f"add@{path}", "ACTION=add", f"DEVPATH={path}"),
        "header without @": variables("add", "ACTION=add", f"DEVPATH={path}", "SUBSYSTEM=net"),
        "= first": message("add", path, "=x"),
        "no =": message("add", path, "NOTHING"),
        "empty variable": message("add", path) + b"\0",
        "other ACTION": variables(f"add@{path}", "ACTION=remove", f"DEVPATH={path}", "SUBSYSTEM=net"),
        "climbing": message("add", "/devices/../../etc/passwd"),
        "no slash": message("add", "devices/x"),
        "move from nowhere": message("move", path),
        "only a header": b"add@/x\0",
        "nothing": b"",
    }
    d = p.daemon()
    with Forger() as forger:
        for name, data in bad.items():
            before = d.counters()["malformed"]
            forger.by_kernel(data)
            eventually(lambda b=before: d.counters()["malformed"] > b, f"{name}: counted as malformed",
                       lambda: str(d.counters()), patience=20)
    d.barrier()
    contains(d.log_text(), "an event of the source kernel makes no sense: uevent, byte ", "the log names the byte")
    contains(d.ask("status").stdout, "malformed", "status")
    nothing_happened(p, d)


@test
def odd_words_to_a_uevent_file(p):
    """What the kernel takes, devmux takes; what it does not, it refuses itself (EINVAL)."""
    units(p)
    name = p.add_link("f", kind="bridge")
    d = p.daemon()
    p.until_runs("each", 1)
    taken = 0
    uid = "12345678-1234-1234-1234-123456789abc"
    for words in (["KEY=val=ue"], ["=x"], ["=="], ["KEY="], ["KEY"], ["KEY=a", "KEY=b"], ["a=b"] * 30, ["K\tV=x"]):
        try:
            ask_for(link_path(name), "change", *words, uid=uid)
            taken += 1
        except OSError:
            pass
    for raw in (b"add " + b"x" * 36, b"add " + uid.encode() + b" ", b"\xff\xfe", b"add\0\0", b"A" * 4000):
        try:
            with open(link_path(name) + "/uevent", "wb", buffering=0) as file:
                file.write(raw)
            taken += raw.startswith(b"add")
        except OSError:
            pass
    ask_for(link_path(name), "change", "LAST=1", uid=uid)
    eventually(lambda: any(r.env.get("SYNTH_ARG_LAST") for r in p.runs("each")), "the last one")
    equal(len(p.runs("each")), 1 + taken + 1, "a run for each that the kernel took")
    equal(len(p.runs("when")), 1, "runs of when")
    equal(d.state("good"), "waiting", "the daemon is up")
