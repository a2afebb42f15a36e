"""The interface that carries the root file system, on real links: seen, refused, held, forced. The daemon reads a
table of mounts that says its root is on NFS; nothing is mounted."""
from checks import check, contains, equal, eventually, test
from place import run

ROOT = "20 1 0:1 / / rw,relatime shared:1 - nfs4 {0}:/srv rw,vers=4.2,clientaddr=10.9.0.1,addr={0}\n"
# Behind the name that /proc gives to this very process, which the daemon then is.
OVER = 'mount --bind "$0" /proc/$$/mountinfo && exec "$@"'


def ip(netns, *args):
    return run("ip", "-n", netns, *args).stdout


def machine(p, server="10.9.0.2"):
    here, there = p.new_netns(), p.new_netns()
    table = p.dir / "mountinfo"
    table.write_text(ROOT.format(server))
    prefix = ["ip", "netns", "exec", here, "sh", "-c", OVER, str(table)]
    return here, there, table, lambda: p.daemon(prefix=prefix)


def plug(here, there, name):
    ip(here, "link", "add", name, "type", "veth", "peer", "name", name, "netns", there)
    ip(there, "link", "set", name, "up")
    ip(here, "link", "set", name, "up")


def furnish(p):
    p.unit("carrier", f"while: 'network interface[carries-root and name ~ \"{p.tag}*\"]'\n" + p.command(stop=True))
    p.unit("dhcp", f"for-each: 'network interface[name ~ \"{p.tag}*\"]'\n" + p.command(stop=True))


@test
def who_carries_the_root_is_not_stopped(p):
    here, there, _, begin = machine(p)
    a, b, br = p.name("a"), p.name("b"), p.name("br")
    furnish(p)

    def stops():
        return [r.argv[0] for r in p.runs("dhcp")].count("stop")
    d = begin()
    plug(here, there, a)
    ip(here, "address", "add", "10.9.0.1/24", "dev", a)
    plug(here, there, b)
    for unit in ("carrier", f"dhcp@{a}", f"dhcp@{b}"):
        d.until_state(unit, "active")
    carries = "carries / (NFS from 10.9.0.2)"
    contains(d.ask("devices", "network", "interface").stdout, f"(online, {carries})", "devices")
    contains(d.ask("status").stdout, f"{a} {carries}", "status")
    contains(d.ask("explain", "carrier").stdout, f", {carries}", "explain")
    equal({x["name"]: x["carries"] for x in d.json("devices") if x["name"] in (a, b)}, {a: carries, b: ""}, "devices --json")
    for verb, doing in (("stop", "stopping"), ("restart", "restarting")):
        done = d.ask(verb, f"dhcp@{a}", code=5)
        contains(done.stderr, f"{a} carries the root file system (NFS from 10.9.0.2): {doing} dhcp@{a} would leave this machine without it", verb)
        contains(done.stderr, f"devmux {verb} --force dhcp@{a} does it all the same", "the next step")
    d.ask("stop", f"dhcp@{b}")
    d.until_state(f"dhcp@{b}", "waiting")
    d.ask("start", f"dhcp@{b}")
    equal([r.argv[0] for r in p.runs("carrier")], ["start"], "nothing else was stopped")

    # The way leads over a bridge, of which both become ports, one later than the other.
    ip(here, "link", "add", br, "type", "bridge")
    ip(here, "link", "set", br, "up")
    ip(here, "address", "flush", "dev", a)
    ip(here, "link", "set", a, "master", br)
    ip(here, "address", "add", "10.9.0.1/24", "dev", br)
    d.wait(f'network interface[name = "{br}" and carries-root]')
    contains(d.ask("stop", f"dhcp@{a}", code=5).stderr, f"by way of {br}", "a port")
    d.wait(f'network interface[name = "{b}" and not carries-root]')
    ip(here, "link", "set", b, "master", br)
    d.wait(f'network interface[name = "{b}" and carries-root]')
    d.ask("stop", f"dhcp@{b}", code=5)
    # It carried it until now.
    ip(here, "link", "set", b, "nomaster")
    carried = "(NFS from 10.9.0.2), which no other interface has done for 5m"
    eventually(lambda: f"{b} carried / {carried}" in d.ask("status").stdout, "a port that has left", d.log_text)
    contains(d.ask("stop", f"dhcp@{b}", code=5).stderr, f"{b} carried the root file system {carried}: stopping", "the same for who stops it")
    d.ask("stop", "--force", f"dhcp@{b}")
    ip(here, "link", "set", a, "down")
    ip(here, "link", "set", a, "name", a + "x")
    ip(here, "link", "set", a + "x", "up")
    d.wait(f'network interface[name = "{a}x" and carries-root]')
    d.ask("stop", f"dhcp@{a}", code=5)
    before = stops()
    d.ask("stop", "--force", f"dhcp@{a}")
    d.until_state(f"dhcp@{a}", "waiting")
    equal(stops(), before + 1, "it was stopped")


@test
def held_until_it_is_over(p):
    here, there, table, begin = machine(p)
    a = p.name("a")
    want = p.root / "want"
    want.write_text("")
    furnish(p)
    p.unit("net", f"while: file /want exists\ntakes-down: 'network interface[name = \"{a}\"]'\n" + p.command(stop=True))
    d = begin()
    plug(here, there, a)
    ip(here, "address", "add", "10.9.0.1/24", "dev", a)
    d.until_state("carrier", "active")
    d.until_state("net", "active")
    want.unlink()
    held = f"held: {a} carries the root file system (NFS from 10.9.0.2)"
    eventually(lambda: held in d.ask("status", "net").stdout, "status says why", d.log_text)
    equal(d.json("status", "net")["wanted"], "down", "it should stop")
    contains(d.log_text(), f"net: not stopped, {held} (devmux stop --force net does it all the same)", "the log")
    # Without a route it is the one that carried it; a new daemon, which knows nothing at first, stops it no more
    # than this one.
    ip(here, "route", "del", "10.9.0.0/24", "dev", a)
    eventually(lambda: f"held: {a} carried the root file system" in d.ask("status", "net").stdout, "without a route", d.log_text)
    d.kill()
    ip(here, "route", "add", "10.9.0.0/24", "dev", a)
    d = begin()
    eventually(lambda: held in d.ask("status", "net").stdout, "and after kill -9", d.log_text)
    equal([r.argv[0] for r in p.runs("net")], ["start"], "it was not stopped")
    # The mount moves to a server that another way leads to.
    plug(here, there, p.name("b"))
    ip(here, "address", "add", "10.8.0.1/24", "dev", p.name("b"))
    table.write_text(ROOT.format("10.8.0.2"))
    d.ask("reload")
    d.until_state("net", "waiting")
    equal([r.argv[0] for r in p.runs("net")], ["start", "stop"], "it went on")
    check("held" not in d.ask("status", "net").stdout, "nothing is held any more")
    # Who carries it goes: nothing is left to protect.
    d.until_state(f"dhcp@{p.name('b')}", "active")
    ip(here, "link", "del", p.name("b"))
    eventually(lambda: [r.argv[0] for r in p.runs("dhcp")].count("stop") == 1, "its instance is stopped", d.log_text)


@test
def check_names_what_is_needed_before_devmux(p):
    (p.root / "etc").mkdir(exist_ok=True)
    fstab = p.root / "etc/fstab"
    p.unit("mount", "description: d\nwhen: settled\ninit-script: mountnfs.sh\ntask: true\n")
    p.unit("left", "description: d\nwhen: settled\ninit-script: networking\nboot-if: /usr on nfs\ntask: true\n")
    p.unit("dhcp", "description: d\nfor-each: network interface[not virtual]\ncommand: {start: [/bin/a], stop: [/bin/b]}\n")
    p.unit("spare", "description: d\nfor-each: network interface[not carries-root]\ncommand: {start: [/bin/a], stop: [/bin/b]}\n")
    p.unit("both", "description: d\nwhen: settled\ninit-script: networking\nboot-if: not (/usr on nfs or root on nfs)\ntask: true\n")
    p.unit("other", "description: d\nwhen: settled\ninit-script: fetchmail\n")

    def check_all():
        return run(str(p.build / "tools/devmux"), "check", "--root", str(p.root), str(p.units)).stdout
    check("NFS" not in check_all(), "nothing is on NFS")
    fstab.write_text("/dev/vda2 / ext4 defaults 0 1\n10.0.2.2:/usr /usr nfs4 ro 0 0\n")
    said = check_all()
    contains(said, "mount.yaml: warning: /usr is on NFS and devmux lies in it (not mounted yet; /etc/fstab says nfs4 (10.0.2.2:/usr)): "
                   "only the boot sequence can start mountnfs.sh", "what is needed")
    contains(said, "boot-if: /usr on nfs", "the next step")
    contains(said, "dhcp.yaml: warning: ", "an instance for each interface, by a command")
    contains(said, "both.yaml: warning: ", "one that is left to boot where nothing is on NFS")
    equal(said.count("NFS"), 3, "the others are not")
    # With the root, /usr is on NFS too: who is left to the boot sequence for that still is.
    fstab.write_text("10.0.2.2:/ / nfs4 defaults 0 1\n")
    p.unit("up", "description: d\nwhen: settled\ninit-script: networking\n")
    said = check_all()
    contains(said, "up.yaml: warning: the root file system is on NFS", "a root on NFS")
    contains(said, "boot-if: root on nfs", "the next step")
    equal(said.count("NFS"), 3, "mounts of others are nothing to it")
    fstab.write_text("10.0.2.2:/ / nfs4 defaults 0 1\n10.0.2.3:/usr /usr nfs4 ro 0 0\n")
    contains(check_all(), "only the boot sequence can start mountnfs.sh", "a root on NFS, and a /usr of its own")
