"""Roots and /usr on real NFS: what boot keeps to itself, and the interface that nobody may take away."""
import debian
import vm
from groups.guard import GUARD
from groups.sysvinit import BootedMachine
from groups.sysvinit import files as boot_files
from machine import SOURCE, expect
from servers import ADDRESS, BRING_UP, SERVER, net, nfs_server

CHECKS = 9

NETIF = """description: an interface, as dhcp or wifi would have one
for-each: network interface
command: {start: [/usr/local/sbin/netif, up, "{name}"], stop: [/usr/local/sbin/netif, down, "{name}"]}
"""
NETIF_SCRIPT = b"""#!/bin/sh
echo "MARK netif $1 $2" >>/run/marks
ip link set "$2" "$1"
"""
SHARE = "/mnt/share"
# Boot mounts by itself: there is no ifupdown that would, and nothing to wait for.
BEFORE_INIT = f"""#!/bin/sh
exec >/var/log/before-init 2>&1
{GUARD}
guard mountnfs mountnfs.sh
echo ASYNCMOUNTNFS=no >>/etc/default/rcS
mkdir -p /srv/share {SHARE}
echo 'all is well' >/srv/share/word
update-rc.d devmux defaults
"""


class NfsMachine(BootedMachine):
    """A guest with one interface; `mounts` is what its initramfs mounts, `fstab` what its fstab says."""

    def __init__(self, programs, server, mounts, fstab, **kw):
        self.fstab = fstab
        super().__init__(programs, "virtio_net nfsv4", [
            *vm.pci_ports(1), *net(1), *net(2), "-device", "virtio-net-pci,id=nic1,netdev=lan1,romfile="],
            append=f"net.ifnames=0 {server.append}", flavour="sysvinit-boot", mounts=mounts, **kw)

    def made_of(self):
        units = "/etc/devmux/units.d"
        ours = {path: data for path, data in boot_files().items()
                if not path.startswith(units) or "/classes.d/" in path}
        return ours | {"/usr/local/sbin/before-init": BEFORE_INIT.encode(), "/etc/fstab": self.fstab.encode(),
                       "/usr/local/sbin/netif": NETIF_SCRIPT,
                       f"{units}/mountnfs.yaml": (SOURCE / "units.d/mountnfs.yaml").read_bytes(),
                       f"{units}/netif.yaml": NETIF.encode()}

    def calls(self, name):
        """(what, to whom or by whom) of each time that a script was run."""
        found = self.must("cat /run/marks 2>/dev/null; true").splitlines()
        return [tuple(line.split()[2:]) for line in found if line.split()[1] == name]

    def carries(self, interface):
        return self.truth(f'network interface[name = "{interface}" and carries-root]')

    def taken_down(self):
        return [who for verb, who in self.calls("netif") if verb == "down"]

    def alive(self):
        """What is on NFS is read once more from there."""
        self.must("echo 3 >/proc/sys/vm/drop_caches; cksum /usr/bin/find")


def run(report, programs):
    with nfs_server(debian.image("sysvinit-boot")) as server:
        root = debian.Mounts(server.modules, BRING_UP + server.mount("", "/mnt"), disk=False)
        share = server.fstab("/srv/share", SHARE)
        with NfsMachine(programs, server, root, f"{server.at('/')} / nfs4 defaults 0 0\n{share}") as m:
            left_to_boot(report, m, "root", "/")
            carrier(report, m, "root", "the root file system")
            second(report, m, "root")
        usr = debian.Mounts(f"{debian.ON_DISK.modules} {server.modules}",
                            debian.ON_DISK.script + BRING_UP + server.mount("/usr", "/mnt/usr"))
        disk = debian.FILES["/etc/fstab"]
        with NfsMachine(programs, server, usr, f"{disk}{server.at('/usr')} /usr nfs4 defaults 0 0\n{share}") as m:
            left_to_boot(report, m, "usr", "/usr")
            carrier(report, m, "usr", "/usr")
            second(report, m, "usr")
        with NfsMachine(programs, server, debian.ON_DISK, disk + share) as m:
            by_devmux(report, m)


def left_to_boot(report, m, name, path):
    with report.check(f"nfs: {name}: {path} is on NFS, and mountnfs is left to the boot sequence", m):
        expect("the kind of its file system", m.must(f"stat -f -c %T {path}"), "nfs")
        expect(f"{path} on nfs", m.truth(f"{path} on nfs"), "true")
        expect("root on nfs", m.truth("root on nfs"), "true" if path == "/" else "false")
        expect("calls of mountnfs", m.calls("mountnfs"), [("start", "init")])
        found = m.at_rest("mountnfs")
        expect("mountnfs, asked by", (found["state"], found["asked_by"]), ("done", "the boot sequence"))
        expect("the word on the share", m.must(f"cat {SHARE}/word"), "all is well")


def carrier(report, m, name, what):
    with report.check(f"nfs: {name}: eth0 carries it, and stopping its unit is refused with the reason", m) as notes:
        m.wait("network interface[carries-root]")
        expect("eth0 carries", m.carries("eth0"), "true")
        m.wait("unit netif@eth0 active")
        status, text = m.guest.sh("devmux stop netif@eth0 2>&1")
        expect("exit status of stop", status, 5)
        if f"eth0 carries {what} (NFS from {SERVER})" not in text or "--force" not in text:
            raise AssertionError(f"the refusal says {text!r}")
        notes.append(text.partition("\n")[0])
        expect("netif@eth0 is", m.status("netif@eth0")["state"], "active")
        expect("taken down", m.taken_down(), [])


def second(report, m, name):
    with report.check(f"nfs: {name}: a second interface carries nothing, and is stopped; the machine lives on", m):
        m.guest.plug("virtio-net-pci", "nic2", bus="port1", netdev="lan2", romfile="")
        m.wait("exactly 2 network interfaces")
        m.wait("unit netif@eth1 active")
        expect("eth1 carries", m.carries("eth1"), "false")
        m.must("devmux stop netif@eth1")
        expect("taken down", m.taken_down(), ["eth1"])
        m.must("! ip -o link show dev eth1 | grep -q '[<,]UP[,>]'")
        m.alive()


def by_devmux(report, m):
    with report.check("nfs: disk: nothing is on NFS, and boot leaves mountnfs to devmux", m):
        expect("calls of mountnfs", m.calls("mountnfs"), [])
        expect("mountnfs is", m.status("mountnfs")["state"], "waiting")
        m.must(f"! mountpoint -q {SHARE}")
    with report.check("nfs: disk: devmux runs it once, when the network is online; the share is mounted", m):
        m.must(f"ip address add {ADDRESS} dev eth0 && ip link set eth0 up && ip route add default via {SERVER}")
        m.wait("network online")
        expect("mountnfs is", m.at_rest("mountnfs")["state"], "done")
        expect("calls of mountnfs", m.calls("mountnfs"), [("start", "mountnfs")])
        expect("the word on the share", m.must(f"cat {SHARE}/word"), "all is well")
        expect(f"{SHARE} on nfs", m.truth(f"{SHARE} on nfs"), "true")
    with report.check("nfs: disk: an interface that carries a share alone is stopped", m):
        expect("eth0 carries", m.carries("eth0"), "false")
        m.must("devmux stop netif@eth0")
        expect("taken down", m.taken_down(), ["eth0"])
