"""Facts of links, addresses and routes, on real ones in network namespaces: at every rest what devmux
knows is what ip(8) shows."""
import ipaddress
import json
import os
import signal
import subprocess

from checks import check, contains, equal, eventually, test
from place import run

ASKED = ["192.0.2.9", "198.51.100.9", "2001:db8:9::9"]


def ip(netns, *args):
    return run("ip", "-n", netns, *args).stdout


def batch(netns, lines):
    done = subprocess.run(["ip", "-n", netns, "-batch", "-"], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    check(done.returncode == 0, "ip -batch failed", done.stderr)


def shown(netns, *args):
    return json.loads(ip(netns, "-j", *args) or "[]")


def is_usable(address):
    return address["scope"] not in ("link", "host") and not address.get("tentative") and not address.get("dadfailed")


def links(netns):
    """name -> (up, running, families with an address that may be used)"""
    out = {}
    for link in shown(netns, "address"):
        if "ifname" in link:
            up = "UP" in link["flags"]
            out[link["ifname"]] = (up, up and "NO-CARRIER" not in link["flags"],
                                   {a["family"] for a in link["addr_info"] if is_usable(a)})
    return out


def hops(route):
    return [h["dev"] for h in route.get("nexthops", [route]) if "dev" in h and "dead" not in h.get("flags", [])]


def words(netns):
    """What `devmux devices` should say of each link."""
    return {name: "down" if not up else "up" if not running else "online" if families else "running"
            for name, (up, running, families) in links(netns).items()}


def is_online(netns):
    there = links(netns)
    for option, family in (("-4", "inet"), ("-6", "inet6")):
        routes = [r for r in shown(netns, option, "route", "show", "default") if r.get("type", "unicast") == "unicast"]
        leads = any(there.get(dev, (0, False))[1] for r in routes for dev in hops(r))
        if leads and any(running and family in families for _, running, families in there.values()):
            return True
    return False


def has_route(netns, address):
    def rank(route):
        dst = route["dst"]
        return (0 if dst == "default" else ipaddress.ip_network(dst).prefixlen, -route.get("metric", 0))
    routes = shown(netns, "-6" if ":" in address else "-4", "route", "show", "match", address)
    best = max(routes, key=rank, default=None)
    return best is not None and best.get("type", "unicast") == "unicast" and bool(hops(best))


def expected(netns):
    return {"links": words(netns), "online": is_online(netns), "routes": {a: has_route(netns, a) for a in ASKED}}


def known(d):
    truth = {"active": True, "waiting": False}
    return {"links": {x["name"]: x["link"] for x in d.json("devices") if x["subsystem"] == "net"},
            "online": truth.get(d.state("network")),
            "routes": {a: truth.get(d.state(f"to{i}")) for i, a in enumerate(ASKED)}}


def rest(d, netns, what):
    def same():
        return known(d) == expected(netns)
    eventually(same, f"what is known is what ip shows: {what}", lambda: f"known {known(d)}\n    ip    {expected(netns)}\n{d.log_text()}")


def asking(p):
    p.unit("network", "while: network online\n" + p.command(stop=True))
    for i, address in enumerate(ASKED):
        p.unit(f"to{i}", f"while: route to {address}\n" + p.command(stop=True))


@test
def facts_equal_ip_at_every_rest(p):
    asking(p)
    a, b, c = p.name("a"), p.name("b"), p.name("c")
    here, there = p.new_netns(), p.new_netns()
    d = p.daemon(netns=here)
    rest(d, here, "an empty namespace")
    ip(here, "link", "set", "lo", "up")
    rest(d, here, "lo is up")

    def step(*args, netns=here):
        ip(netns, *args)
        rest(d, here, " ".join(args))

    ip(here, "link", "add", a, "type", "veth", "peer", "name", b, "netns", there)
    rest(d, here, "plugged")
    equal(known(d)["links"][a], "down", "plugged is not up")
    step("link", "set", a, "up")
    equal(known(d)["links"][a], "up", "up is not running")
    step("address", "add", "2001:db8:1::1/64", "dev", a)  # tentative, as long as there is no carrier
    step("link", "set", b, "up", netns=there)
    step("address", "add", "10.9.0.1/24", "dev", a)
    equal(known(d)["links"][a], "online", "online")
    equal(known(d)["online"], False, "online is not the network")
    step("route", "add", "default", "via", "10.9.0.2")
    equal(known(d)["online"], True, "the network is online")
    step("link", "set", b, "down", netns=there)
    equal(known(d)["online"], False, "without a carrier")
    step("link", "set", b, "up", netns=there)
    equal(known(d)["online"], True, "with it again")
    # The kernel drops the routes of IPv4 without a word.
    step("link", "set", a, "down")
    step("link", "set", a, "up")
    equal(known(d)["online"], False, "the default route went with the link")
    # Addresses: of link scope, a second one, one that routes send from, one that another machine has.
    step("address", "flush", "dev", a)
    step("address", "add", "169.254.1.1/16", "dev", a, "scope", "link")
    equal(known(d)["links"][a], "running", "link scope is not online")
    step("address", "add", "10.9.0.1/24", "dev", a)
    step("address", "add", "10.9.0.7/24", "dev", a)
    step("route", "add", "default", "via", "10.9.0.2", "src", "10.9.0.7")
    step("address", "del", "10.9.0.7/24", "dev", a)
    equal(known(d)["online"], False, "the route went with the address that it sent from")
    step("address", "del", "10.9.0.1/24", "dev", a)
    ip(there, "address", "add", "2001:db8:5::1/64", "dev", b, "nodad")
    step("address", "add", "2001:db8:5::1/64", "dev", a)
    eventually(lambda: any(x.get("dadfailed") for l in shown(here, "address", "show", "dev", a) for x in l.get("addr_info", [])),
               "somebody else has the address")
    rest(d, here, "dadfailed")
    equal(known(d)["links"][a], "running", "an address that another has is none")
    step("address", "add", "2001:db8:6::1/64", "dev", a)
    eventually(lambda: words(here)[a] == "online", "it is not tentative any more")
    rest(d, here, "an address of IPv6")
    step("-6", "route", "add", "default", "via", "2001:db8:6::2")
    equal(known(d)["online"], True, "by IPv6 as well")
    # Renamed, moved out, made once more, moved in under another index.
    ip(here, "link", "set", a, "down")
    step("link", "set", a, "name", c)
    step("link", "set", c, "up")
    step("address", "add", "10.9.0.1/24", "dev", c)
    step("link", "set", c, "netns", there)
    check(c not in known(d)["links"], "moved out")
    step("link", "add", c, "type", "veth", "peer", "name", a)
    step("link", "set", c, "up")
    equal(known(d)["links"][c], "up", "another of the same name has nothing of the first")
    step("link", "del", c)
    step("link", "set", c, "netns", here, netns=there)
    step("link", "set", c, "up")
    step("address", "add", "10.9.0.1/24", "dev", c)
    # A port that leaves its bridge is not gone.
    step("link", "add", p.name("br"), "type", "bridge")
    step("link", "set", p.name("br"), "up")
    step("link", "set", c, "master", p.name("br"))
    step("link", "set", c, "nomaster")
    equal(known(d)["links"][c], "online", "a port that left its bridge")
    step("link", "set", c, "master", p.name("br"))
    step("link", "del", p.name("br"))
    equal(known(d)["links"][c], "online", "whose bridge has gone")
    step("link", "add", p.name("br"), "type", "bridge")
    step("link", "set", p.name("br"), "up")
    equal(d.truth("bridge up and no bond and no vlan and not bridge online"), "true", "they are told apart")
    step("link", "del", p.name("br"))
    # Routes.
    step("route", "add", "192.0.2.0/24", "via", "10.9.0.2")
    equal(known(d)["routes"]["192.0.2.9"], True, "a route to it")
    contains(d.ask("explain", "to0").stdout, f"over {c}", "which way")
    step("route", "add", "unreachable", "192.0.2.8/30")
    equal(known(d)["routes"]["192.0.2.9"], False, "one that leads nowhere is longer")
    step("route", "del", "unreachable", "192.0.2.8/30")
    step("route", "add", "default", "via", "10.9.0.2", "table", "100")
    equal(known(d)["routes"]["198.51.100.9"], False, "another table is not asked")
    step("route", "add", "198.51.100.0/24", "nexthop", "via", "10.9.0.2", "nexthop", "via", "10.9.0.3")
    step("route", "del", "198.51.100.0/24")
    step("-6", "address", "add", "2001:db8:7::1/64", "dev", c, "nodad")
    step("-6", "route", "add", "2001:db8:9::/48", "nexthop", "via", "2001:db8:7::2", "nexthop", "via", "2001:db8:7::3")
    equal(known(d)["routes"]["2001:db8:9::9"], True, "a route of IPv6 with two next hops")
    step("-6", "route", "del", "2001:db8:9::/48", "via", "2001:db8:7::2", "dev", c)
    step("-6", "route", "del", "2001:db8:9::/48")
    if run("ip", "-n", here, "nexthop", "add", "id", "7", "via", "10.9.0.2", "dev", c, code=None).returncode == 0:
        step("route", "add", "198.51.100.0/24", "nhid", "7")
        step("nexthop", "del", "id", "7")
        equal(known(d)["routes"]["198.51.100.9"], False, "the route went with its nexthop object")
    step("link", "del", c)
    equal(d.counters()["links_lost"], 0, "nothing was lost")


@test
def first_online_starts_once(p):
    """Not when it is plugged, nor when it is up; and not for the second."""
    here, there = p.new_netns(), p.new_netns()
    p.unit("first", f"when: 'first network interface[name ~ \"{p.tag}*\"] online'\n" + p.command())
    p.unit("needs", "requires: $network\nwhen: unit first done or unit first active\n" + p.command())
    d = p.daemon(netns=here)
    one, two = p.name("one"), p.name("two")
    for i, name in enumerate((one, two)):
        ip(here, "link", "add", name, "type", "veth", "peer", "name", name, "netns", there)
        d.wait_link(name)
        ip(here, "link", "set", name, "up")
        d.wait(f'network interface[name = "{name}"] up')
        ip(there, "link", "set", name, "up")
        d.wait(f'network interface[name = "{name}"] running')
        equal(len(p.runs("first")), i, f"{name} is plugged, up and running")
        ip(here, "address", "add", f"10.9.{i}.1/24", "dev", name)
        d.wait(f'network interface[name = "{name}"] online')
        (started,) = p.until_runs("first", 1)
        equal(started.env["INTERFACE"], one, "the first wins")
        d.until_log("needs: waits for $network")
        contains(d.ask("status", "needs").stdout, "waits for $network: IPv4: an address, and no default route", "who requires it waits")
    contains(d.ask("explain", "first").stdout, "held for this boot", "explanation")
    ip(here, "route", "add", "default", "via", "10.9.1.9")
    p.until_runs("needs", 1)
    contains(d.ask("status").stdout, "the network is online", "status")
    contains(d.ask("devices", "network", "interface").stdout, "network interface (online)", "devices")
    ip(here, "link", "del", one)
    ip(here, "link", "del", two)
    d.wait("not network online")
    equal([len(p.runs(u)) for u in ("first", "needs")], [1, 1], "runs")
    d.until_state("needs", "active", "done")


@test
def a_link_flaps_a_thousand_times(p):
    asking(p)
    here, there = p.new_netns(), p.new_netns()
    a = p.name("a")
    p.unit("up", f"while: 'network interface[name = \"{a}\"] up'\n" + p.command(stop=True))
    d = p.daemon(netns=here)
    ip(here, "link", "add", a, "type", "veth", "peer", "name", a, "netns", there)
    ip(there, "link", "set", a, "up")
    flap = [f"link set {a} up", f"address add 10.9.0.1/24 dev {a}", f"route add default via 10.9.0.2 dev {a}",
            f"address add 2001:db8:1::1/64 dev {a} nodad", f"address del 10.9.0.1/24 dev {a}", f"link set {a} down"]
    batch(here, flap * 1000)
    rest(d, here, "flapped, and down")
    d.until_state("up", "waiting")
    batch(here, flap * 10 + flap[:4])
    rest(d, here, "flapped, and up")
    equal(known(d)["online"], True, "online in the end")
    d.until_state("up", "active")
    verbs = [r.argv[0] for r in p.runs("up")]
    equal(verbs, ["start", "stop"] * (len(verbs) // 2) + ["start"], "in turns")
    # The carrier alone, from the other end; and the name.
    batch(there, [f"link set {a} down", f"link set {a} up"] * 500)
    rest(d, here, "the carrier flapped")
    ip(here, "link", "set", a, "down")
    batch(here, [f"link set {a} name {a}x", f"link set {a}x name {a}"] * 500 + [f"link set {a} up"])
    rest(d, here, "the name flapped")
    # Moved out and in.
    for _ in range(50):
        ip(here, "link", "set", a, "down")
        ip(here, "link", "set", a, "name", a + "z")
        ip(here, "link", "set", a + "z", "netns", there)
        ip(there, "link", "set", a + "z", "netns", here)
        ip(here, "link", "set", a + "z", "name", a)
        ip(here, "link", "set", a, "up")
    rest(d, here, "moved out and in")
    # Made again and again.
    batch(here, [f"link del {a}"] + [f"link add {a} index 70000 type veth peer name {a}Q", f"link set {a} up",
                                     f"link set {a}Q up", f"address add 10.9.0.1/24 dev {a}", f"link del {a}"] * 100 +
          [f"link add {a} index 70000 type veth peer name {a}Q"])
    rest(d, here, "made again and again with one index")
    equal(known(d)["links"][a], "down", "the last one was never up")


def dropped(netns):
    """Messages that sockets of rtnetlink in this namespace have lost."""
    table = run("ip", "netns", "exec", netns, "cat", "/proc/net/netlink").stdout.splitlines()[1:]
    return sum(int(line.split()[8]) for line in table if line.split()[1] == "0" and line.split()[3] != "00000000")


@test
def an_overrun_recovers(p):
    asking(p)
    here, there = p.new_netns(), p.new_netns()
    a, b = p.name("a"), p.name("b")
    p.unit("a", f"while: 'network interface[name = \"{a}\"] online'\n" + p.command(stop=True))
    p.unit("b", f"while: 'network interface[name = \"{b}\"] online'\n" + p.command(stop=True))
    d = p.daemon(netns=here)
    for i, name in enumerate((a, b)):
        ip(here, "link", "add", name, "type", "veth", "peer", "name", name, "netns", there)
        ip(there, "link", "set", name, "up")
        ip(here, "link", "set", name, "up")
        ip(here, "address", "add", f"10.9.{i}.1/24", "dev", name)
    ip(here, "route", "add", "default", "via", "10.9.0.9")
    rest(d, here, "before")
    for name in ("a", "b"):
        d.until_state(name, "active")
    os.kill(d.pid, signal.SIGSTOP)
    sent = 0
    try:
        while not dropped(here):
            batch(here, [f"address add 10.8.0.1/24 dev {a}", f"address del 10.8.0.1/24 dev {a}"] * 5000)
            sent += 10_000
            check(sent <= 1_000_000, f"{sent} changes, and the socket has not overrun")
        # Of these no word reaches the daemon.
        ip(here, "link", "del", b)
        ip(here, "link", "add", b, "type", "bridge")
        ip(here, "link", "set", b, "up")
        ip(here, "route", "del", "default")
        ip(here, "route", "add", "192.0.2.0/24", "via", "10.9.0.9")
    finally:
        os.kill(d.pid, signal.SIGCONT)
    eventually(lambda: d.counters()["links_lost"] >= 1, "the loss is counted", d.log_text)
    rest(d, here, "after the overrun")
    d.until_state("b", "waiting")
    equal(d.state("a"), "active", "a stayed")
    equal([r.argv[0] for r in p.runs("a")], ["start"], "it was not started or stopped for it")
    contains(d.ask("status").stdout, "times messages about links", "status")
    contains(d.log_text(), "messages about links were lost: all of them are listed again", "the log")
    ip(here, "link", "set", a, "down")
    rest(d, here, "and messages are heard again")
    print(f"     {sent} changes of an address, {dropped(here)} messages dropped")


def sockets(netns):
    table = run("ip", "netns", "exec", netns, "cat", "/proc/net/netlink").stdout.splitlines()[1:]
    return sum(line.split()[1] == "0" and line.split()[3] != "00000000" for line in table)


@test
def nobody_asks_nobody_listens(p):
    here = p.new_netns()
    p.unit("u", "when: network interface\n" + p.command())
    d = p.daemon(netns=here)
    equal(sockets(here), 0, "no socket")
    check("the network is" not in d.ask("status").stdout, "status says nothing of it")
    equal(d.truth("network online"), "false", "eval asks")
    equal(d.truth("route to 192.0.2.1 or network interface[name = \"lo\"] up"), "false", "and more")
    equal(sockets(here), 1, "from then on it is listened to")
    done = d.ask("eval", "mouse up", code=4)
    contains(done.stderr, '"up" is a state of network interfaces', "a mouse has no link")
    d.terminate()
    d = p.daemon(netns=here)
    equal(sockets(here), 0, "a new one has not been asked")
    waits = d.begin("wait", "--timeout", "2m", "network online")
    eventually(lambda: sockets(here) == 1, "who waits asks")
    ip(here, "link", "add", p.name("d"), "type", "veth", "peer", "name", p.name("e"))
    batch(here, [f"link set {p.name('d')} up", f"link set {p.name('e')} up", f"address add 10.9.0.1/24 dev {p.name('d')}", "route add default via 10.9.0.2"])
    equal(waits.wait(60), 0, "and is told")
    equal(sockets(here), 1, "what was asked once is followed")
    d.ask("reload")
    equal(sockets(here), 0, "up to a reload")


@test
def links_and_a_killed_daemon(p):
    """What happened meanwhile is found, who runs is not started again, the recording plays the same."""
    asking(p)
    here = p.new_netns()
    a = p.name("a")
    p.unit("a", f"while: 'network interface[name = \"{a}\"] online'\n" + p.command(stop=True))
    d = p.daemon(netns=here)
    batch(here, [f"link add {a} type veth peer name {a}Q", f"link set {a}Q up", f"link set {a} up", f"address add 10.9.0.1/24 dev {a}"])
    d.until_state("a", "active")
    d.kill()
    ip(here, "route", "add", "default", "via", "10.9.0.2")
    d = p.daemon("--record", str(p.dir / "trace"), netns=here)
    rest(d, here, "after kill -9")
    equal([r.argv[0] for r in p.runs("a")], ["start"], "who runs is not started again")
    ip(here, "link", "set", a, "name", a + "x")
    d.until_state("a", "waiting")
    ip(here, "link", "set", a + "x", "name", a)
    d.until_state("a", "active")
    d.terminate()
    d.ask("simulate", str(p.dir / "trace"))
