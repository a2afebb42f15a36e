"""The shipped ntpdate with the real program, against a real server: run when the first interface is online."""
import time

import vm
from groups.sysvinit import BootedMachine
from groups.sysvinit import files as boot_files
from machine import LONG, SOURCE, expect
from servers import ADDRESS, SERVER, net, ntp_server

CHECKS = 7

# The program's own configuration is a piece of shell: it tells that it was read.
CONFIG = f"""NTPDATE_USE_NTP_CONF=no
NTPSERVERS={SERVER}
NTPOPTIONS="-t 60"
echo "MARK ntpdate run $(date +%Y)" >>/run/marks
"""
BORN = "2020-02-02T02:02:02"        # what the guest's clock says at its start


def files():
    units = "/etc/devmux/units.d"
    ours = {path: data for path, data in boot_files().items() if not path.startswith(units) or "/classes.d/" in path}
    return ours | {"/usr/local/sbin/before-init": b"#!/bin/sh\nupdate-rc.d devmux defaults >/var/log/before-init 2>&1\n",
                   "/etc/default/ntpsec-ntpdate": CONFIG.encode(),
                   f"{units}/ntpdate.yaml": (SOURCE / "units.d/ntpdate.yaml").read_bytes()}


class ClockMachine(BootedMachine):
    def made_of(self):
        return files()

    def runs(self):
        return self.must("cat /run/marks 2>/dev/null | grep -c MARK || true")

    def idle(self, server):
        """Nothing has been started: the engine has decided, for a `devmux wait` for the device has ended."""
        found = self.devmux("status", "ntpdate")
        expect("ntpdate's state, starts, runs", (found["state"], found["starts"], self.runs()), ("waiting", 0, "0"))
        expect("the server was asked", server.asked(), 0)


def card_in(m, n):
    m.guest.plug("virtio-net-pci", f"nic{n}", bus=f"port{n}", netdev=f"lan{n}", romfile="")


def run(report, programs):
    args = [*vm.pci_ports(2), *net(1), *net(2), "-rtc", f"base={BORN}"]
    with ntp_server() as server, ClockMachine(programs, "virtio_net", args, append="net.ifnames=0",
                                              flavour="sysvinit-boot", within=server.within) as m:
        def check(name):
            return report.check(f"ntp: {name}", m)

        not_yet(m, check, server)
        online(m, check, server)
        not_again(m, check, server)


def not_yet(m, check, server):
    with check("booted with the clock far behind, and without a network: nothing is run"):
        expect("the year in the guest", m.must("date +%Y"), BORN[:4])
        m.idle(server)
    with check("nothing is run for the card that is plugged in: seen, then ready"):
        card_in(m, 1)
        m.wait("network interface seen")
        m.idle(server)
        m.wait("network interface present")
        m.idle(server)
    with check("nothing for the interface that is set up, without a carrier"):
        m.guest.qmp("set_link", name="nic1", up=False)
        m.must("ip link set eth0 up")
        # The driver hears of its lost carrier when it hears of it.
        m.wait("network interface up and no network interface running")
        m.idle(server)
    with check("nothing for its carrier, and a route, without an address"):
        m.guest.qmp("set_link", name="nic1", up=True)
        m.wait("network interface running")
        m.must("ip route add default dev eth0")
        m.wait("route to 192.0.2.1")
        expect("online", m.truth("network interface online"), "false")
        m.idle(server)


def online(m, check, server):
    with check("the address makes it online: the real program runs, once, and sets the clock") as notes:
        m.must(f"ip address add {ADDRESS} dev eth0")
        m.wait("network interface online")
        found = m.at_rest("ntpdate")
        expect("ntpdate's state, starts", (found["state"], found["starts"]), ("done", 1))
        expect("runs, each with the year at its begin", m.must("cat /run/marks"), f"MARK ntpdate run {BORN[:4]}")
        expect("the server was asked", server.asked(), 1)
        before = time.time()
        there = float(m.must("date +%s.%N"))
        off = max(0, before - there, there - time.time())
        if off > 10:
            raise AssertionError(f"the guest's clock is {off:.1f} s from this machine's")
        notes.append(f"the clock is right within {time.time() - before:.2f} s")
        notes.append(m.must("devmux log ntpdate | tail -n 1"))


def not_again(m, check, server):
    def once():
        found = m.at_rest("ntpdate")
        expect("ntpdate's state, starts, runs", (found["state"], found["starts"], m.runs()), ("done", 1, "1"))
        expect("the server was asked", server.asked(), 1)

    with check("the second interface runs nothing"):
        card_in(m, 2)
        m.wait("exactly 2 network interfaces")
        m.must("ip link set eth1 up && ip address add 10.0.3.15/24 dev eth1")
        m.wait("exactly 2 network interfaces online")
        once()
    with check("nor does the first when it is pulled, plugged in and online again"):
        for n in (1, 2):
            m.guest.unplug(f"nic{n}", wait=LONG)
        m.wait("no network interface")
        once()
        card_in(m, 1)
        m.wait("network interface")
        m.must(f"ip link set eth0 up && ip address add {ADDRESS} dev eth0 && ip route add default via {SERVER}")
        m.wait("network interface online and network online")
        once()
