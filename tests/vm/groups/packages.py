"""The shipped units with the packages that they are for, under both inits: devices are plugged in, and what must then
run is looked at itself. That devmux says so is not enough.

What a guest cannot show: it has no CPU frequency to set, so of cpufrequtils it is seen that its script ran and
what it said. The login screen is xdm's; gdm's would take an emulated machine minutes. The share is one of QEMU's own
(9p), which mountnfs.sh and systemd mount for its option _netdev."""
import os
import pathlib
import tempfile
import time

import vm
from machine import LONG, expect
from packaged import MAC, VOLUMES, Systemd, Sysvinit
from servers import ADDRESS, SERVER, ntp_server

CHECKS = 42


def run(report, programs):
    for kind in (Sysvinit, Systemd):
        with tempfile.TemporaryDirectory(prefix="devmux-mail-") as folder, ntp_server() as server, \
                kind(programs, server, pathlib.Path(folder)) as m:
            def check(name, m=m):
                return report.check(f"packages, {m.init}: {name}", m)

            nothing_yet(m, check)
            screen(m, check)
            sound(m, check)
            bluetooth(m, check)
            network(m, check, server)
            gone(m, check)


def nothing_yet(m, check):
    with check("before their hardware is there, none of them runs"):
        for program in ("bluetoothd", "xdm", "Xorg", "fetchmail"):
            expect(f"process of {program}", m.pid(program), "")
        for unit in ("alsa", "bluez", "fetchmail", "gdm", "mountnfs", "ntpdate"):
            expect(f"starts of {unit}", m.starts(unit), 0)
        expect("calls of the mail server", m.mail_calls(), 0)
    with check("powernowd: a processor is there, the script of cpufrequtils has run") as notes:
        m.until_state("powernowd", "done")
        expect("starts", m.starts("powernowd"), 1)
        notes.append(m.must(m.log_of_powernowd))


# ---- screen, sound, bluetooth ------------------------------------------------------

def picture(m):
    """The pixels of the screen, three bytes each."""
    path = m.guest.dir / "screen.ppm"
    m.guest.qmp("screendump", filename=str(path), device="screen")
    data = path.read_bytes().split(b"\n", 3)
    return [data[3][i:i + 3] for i in range(0, len(data[3]), 3)]


def screen(m, check):
    with check("gdm: a mouse alone starts no login screen"):
        m.guest.plug("usb-tablet", "mouse", bus="usb.0")
        m.wait("pointer")
        expect("starts of gdm, X server", (m.starts("gdm"), m.pid("Xorg")), (0, ""))
    with check("gdm: a graphics card as well, and there it is") as notes:
        m.guest.plug("bochs-display", "screen", bus="screens")
        m.wait("framebuffer")
        m.until_state("gdm", "active")
        end = time.monotonic() + LONG
        while len(colours := set(picture(m))) < 100:        # the logo is drawn last
            if time.monotonic() > end:
                raise vm.GuestTimeout(f"the screen has {len(colours)} colours after {LONG} s")
            time.sleep(0.2)
        notes.append(f"xdm {m.pid('xdm')}, X {m.pid('Xorg')}, {len(colours)} colours")
        expect("starts", m.starts("gdm"), 1)
        if folder := os.environ.get("DEVMUX_VM_PICTURES"):
            m.guest.qmp("screendump", filename=str(pathlib.Path(folder) / f"login-{m.init}.png"), device="screen",
                        format="png")
    mouse_out_and_in(m, check)


def mouse_out_and_in(m, check):
    """Pulling the mouse out ends no session, and a login screen that is there is not started again."""
    taken = "grep -c \"Using input driver 'libinput' for 'QEMU.*Tablet'\" /var/log/Xorg.0.log"
    before = m.pids("xdm", "Xorg")

    def same():
        found = m.at_rest("gdm")
        expect("gdm's state, starts, calls", (found["state"], found["starts"], m.starts("gdm")), ("active", 1, 1))
        expect("processes", m.pids("xdm", "Xorg"), before)

    with check("gdm: the mouse is pulled out while the login screen is up: it stays, without one") as notes:
        m.until(f"test $({taken}) = 1")
        expect("X servers", len(before["Xorg"]), 1)
        m.guest.unplug("mouse")
        m.wait("no pointer")
        m.until("grep -q 'config/udev: removing device QEMU.*Tablet' /var/log/Xorg.0.log")
        same()
        notes.append(" ".join(f"{program} {' '.join(pids)}" for program, pids in before.items()))
    with check("gdm: it is plugged in again: the same login screen has it, and nothing runs twice"):
        m.guest.plug("usb-tablet", "mouse", bus="usb.0")
        m.wait("pointer")
        m.until(f"test $({taken}) = 2")
        same()


def volume(m, card):
    return int(m.must(f"amixer -c {card} get 'Audio Output Volume Control' | "
                      "sed -n 's/.*Front Left: Playback \\([0-9]*\\).*/\\1/p'"))


def sound(m, check):
    def plug(card, there, starts):
        m.guest.plug("usb-audio", f"card{card}", bus="usb.0", audiodev="snd")
        m.wait(f"exactly {there} sound card{'s' if there > 1 else ''}")
        m.all_done("alsa", there)
        expect("starts", m.starts("alsa"), starts)

    first, second = VOLUMES.values()
    with check("alsa: a sound card comes, and its volume is restored"):
        plug(1, there=1, starts=1)
        expect("volume", volume(m, 0), first)
    with check("alsa: a second one comes, and the first keeps what it was set to since"):
        m.must("amixer -q -c 0 set 'Audio Output Volume Control' 55")
        plug(2, there=2, starts=2)
        expect("volumes", (volume(m, 0), volume(m, 1)), (55, second))
    with check("alsa: the first one out and in again: restored again, and the second is left alone"):
        m.must("amixer -q -c 1 set 'Audio Output Volume Control' 44")
        m.guest.unplug("card1")
        m.wait("exactly 1 sound card")
        plug(1, there=2, starts=3)
        expect("volumes", (volume(m, 0), volume(m, 1)), (first, 44))


def controller(m):
    """A Bluetooth controller of the kernel's own, that is there as long as somebody has it open."""
    m.must("modprobe hci_vhci; sh -c 'exec 3<>/dev/vhci; printf \"\\377\\000\" >&3; exec sleep infinity' "
           "</dev/null >/dev/null 2>&1 & echo $! >/run/vhci.pid")
    m.wait("bluetooth")


def bluetooth(m, check):
    with check("bluez: a controller comes, and bluetoothd with it") as notes:
        expect("starts", m.starts("bluez"), 0)
        controller(m)
        m.until_state("bluez", "active")
        m.until("dbus-send --system --print-reply --dest=org.bluez / org.freedesktop.DBus.Peer.Ping")
        notes.append(f"bluetoothd is process {m.pid('bluetoothd')}")
        expect("starts", m.starts("bluez"), 1)


# ---- network ------------------------------------------------------------------------

def card_in(m, n):
    m.guest.plug("virtio-net-pci", f"nic{n}", bus=f"port{n}", netdev=f"lan{n}", mac=MAC.format(n), romfile="")
    m.until(f"test -e /sys/class/net/lan{n}")


def renamed(m, n, times):
    """Each of the `n` cards that are there had its start, and its rename was none's; `times` cards have come so far."""
    found = [m.devmux("status", name)["starts"] for name in m.devmux("status", "ifrename")["instances"]]
    expect("starts of ifrename's instances", found, [1] * n)
    expect("renames", m.starts("ifrename"), times)


def online(m, address, n=1):
    m.must(f"ip address add {address} dev lan{n}; ip link set lan{n} up; ip route add default via {SERVER}")
    m.wait("network online")


def mounted(m):
    """How often the share is mounted."""
    return int(m.must("grep -c ' /srv/share 9p ' /proc/mounts || true"))


def network(m, check, server):
    with check("ifrename: a network card has its name before it is switched on, and nothing else is started"):
        card_in(m, 1)
        m.wait("network interface")
        expect("it is up", m.must("cat /sys/class/net/lan1/operstate"), "down")
        expect("names", m.must("ls /sys/class/net").split(), ["lan1", "lo"])
        m.all_done("ifrename", 1)
        renamed(m, 1, times=1)
        for unit in ("ntpdate", "fetchmail", "mountnfs"):
            expect(f"starts of {unit}", m.starts(unit), 0)
        expect("calls of the servers", (m.mail_calls(), server.asked()), (0, 0))
    with check("ntpdate: online, the clock is set") as notes:
        behind = time.time() - int(m.must("date +%s"))
        expect("days that the guest's clock is behind", behind > 86400, True)
        m.guest.plug("virtio-9p-pci", "server", bus="port3", fsdev="share", mount_tag="share")
        m.until("grep -q share /sys/bus/virtio/devices/*/mount_tag")
        online(m, ADDRESS)
        m.until("test $(date +%s) -gt " + str(int(time.time()) - 3600))
        notes.append(f"{behind / 86400:.0f} days were missing")
        notes.append(f"the server had {server.asked()} packets")
        expect("starts", m.starts("ntpdate"), 1)
    with check("fetchmail: a daemon that asks for mail") as notes:
        m.until_state("fetchmail", "active")
        asked_for_mail(m, 0)
        notes.append(f"process {m.pid('fetchmail')}, asked {m.mail_calls()} times")
        expect("starts", m.starts("fetchmail"), 1)
    with check("mountnfs: the share of fstab is mounted"):
        m.until("grep -q ' /srv/share 9p ' /proc/mounts && test -e /srv/share/gdm.yaml")
        m.until_state(m.mounter, "done")
        expect("starts, mounts", (m.starts("mountnfs"), mounted(m)), (m.mounts, 1))
    with check("a second network card: a name of its own, and nobody is started again"):
        card_in(m, 2)
        asked = server.asked()
        m.must("ip address add 10.0.3.15/24 dev lan2; ip link set lan2 up")
        m.wait("exactly 2 network interfaces")
        m.all_done("ifrename", 2)
        renamed(m, 2, times=2)
        for unit in ("ntpdate", "fetchmail"):
            expect(f"starts of {unit}", m.starts(unit), 1)
        expect("packets at the server", server.asked(), asked)
    card_out_and_in(m, check, server)


def asked_for_mail(m, before):
    """Waits until the mail server was called once more."""
    end = time.monotonic() + LONG
    while m.mail_calls() <= before:
        if time.monotonic() > end:
            raise vm.GuestTimeout(f"the mail server was not asked, beyond {before} times")
        time.sleep(0.1)


def card_out_and_in(m, check, server):
    """The card that brings the network goes and comes: what was there for the first time is not there once more."""
    asked, fetchmail = server.asked(), m.pids("fetchmail")
    counts = {"ntpdate": 1, "fetchmail": 1}

    def same(mounts):
        for unit, state in (("ntpdate", "done"), ("fetchmail", "active"), (m.mounter, "done")):
            expect(f"{unit} is", m.at_rest(unit)["state"], state)
        expect("starts", {unit: m.starts(unit) for unit in counts}, counts)
        expect("process of fetchmail", m.pids("fetchmail"), fetchmail)
        expect("packets at the time server", server.asked(), asked)
        expect("starts, mounts", (m.starts("mountnfs"), mounted(m)), (mounts, 1))

    with check("the card that brings the network is pulled out: fetchmail and the share stay, and nobody is started"):
        expect("processes of fetchmail", len(fetchmail["fetchmail"]), 1)
        m.guest.unplug("nic1", wait=LONG)
        m.wait("exactly 1 network interface and not network online")
        same(m.mounts)
        renamed(m, 1, times=2)
    with check("plugged in again it has its name before it is switched on, by one rename"):
        card_in(m, 1)
        m.wait("exactly 2 network interfaces")
        expect("it is up", m.must("cat /sys/class/net/lan1/operstate"), "down")
        expect("names", m.must("ls /sys/class/net").split(), ["lan1", "lan2", "lo"])
        m.all_done("ifrename", 2)
        renamed(m, 2, times=3)
        same(m.mounts)
    with check("online again: the clock is left alone, fetchmail asks on, and the share is not mounted twice"):
        calls = m.mail_calls()
        online(m, ADDRESS)
        # The task's condition has come true again, and it looks whether all is mounted.
        same(2 * m.mounts)
        asked_for_mail(m, calls)
        same(2 * m.mounts)
        renamed(m, 2, times=3)


def gone(m, check):
    with check("bluez: the controller goes, and after its time bluetoothd as well") as notes:
        m.must("kill $(cat /run/vhci.pid)")
        m.wait("no bluetooth")
        m.until("! pgrep -x bluetoothd")
        expect("bluez is", m.at_rest("bluez")["state"], "waiting")
    with check("bluez: it comes again, and bluetoothd is started again"):
        controller(m)
        m.until("pgrep -x bluetoothd")
        expect("starts", m.starts("bluez"), 2)
    with check("nothing else was started in between") as notes:
        counts = {unit: m.starts(unit) for unit in ("alsa", "bluez", "fetchmail", "gdm", "mountnfs", "ntpdate", "powernowd")}
        notes.append(" ".join(f"{unit} {count}" for unit, count in counts.items()))
        expect("starts", counts, {"alsa": 3, "bluez": 2, "fetchmail": 1, "gdm": 1, "mountnfs": 2 * m.mounts, "ntpdate": 1,
                                  "powernowd": 1})
