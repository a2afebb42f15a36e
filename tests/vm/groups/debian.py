"""A whole Debian, with udev in it: that it is one, that devmux runs in it, and what tests can do with it."""
import vm
from debian import slow_rules
from machine import FRAMEBUFFER_OFF, USB_INPUT, DebianMachine, expect

CHECKS = 17

MODULES = f"{USB_INPUT} evdev bochs ehci_pci button bridge dummy scsi_debug sd_mod"
ARGS = [*vm.USB, "-device", "bochs-display", "-device", "usb-ehci"]
# udev would load these drivers at boot.
BY_HAND = {"/etc/modprobe.d/test.conf": b"blacklist bochs\nblacklist ehci_pci\n"}
MICE = "$(grep -l 'USB Mouse' /sys/class/input/input*/name)"


def run(report, programs):
    # The firmware is needed for suspend to RAM.
    with DebianMachine(programs, MODULES, ARGS, files=BY_HAND | slow_rules("input", "graphics"), held=True,
                       firmware=True) as m:
        def check(name):
            return report.check(f"debian: {name}", m)

        boot(m, check)
        devices(m, check)
        udevd(m, check)
        buses(m, check)
        attributes(m, check)
        naps(m, check)
    with DebianMachine(programs, f"{USB_INPUT} evdev", vm.USB, flavour="systemd") as m:
        systemd(m, lambda name: report.check(f"debian: systemd: {name}", m))


def plug_mouse(m, id):
    """Plugs a mouse in; returns the path of its inputN."""
    before = set(mice(m))
    m.mouse_in(id)
    m.until(f"set -- {MICE} && test $# -gt {len(before)}")
    return (set(mice(m)) - before).pop()


def mice(m):
    return [name.rpartition("/")[0] for name in m.must(f"echo {MICE}").split()]


def boot(m, check):
    with check("held before udev: devmuxd runs, udevd does not"):
        expect("first process", m.must("cat /proc/1/comm"), "init")
        m.must("! pidof systemd-udevd && ! test -e /run/udev")
        m.launch()
        m.complete()
        m.never("login", "gdm")
    with check("it boots on, by Debian's scripts, to its end") as notes:
        m.guest.go_on()
        expect("runlevel", m.must("runlevel"), "N 2")
        m.must("/etc/init.d/udev status")
        expect("udev's name of the root", m.recorded("/sys/class/block/vda")["DEVNAME"], "/dev/vda")
        expect("missing for login", m.missing("login"), ["mouse", "framebuffer"])
        notes.append(f"up for {m.must('cut -d. -f1 /proc/uptime')} s")


def devices(m, check):
    with check("a mouse that is plugged in gets its driver and its record from udev"):
        mouse = plug_mouse(m, "m1")
        for path in (mouse, f"{mouse}/mouse*", f"{mouse}/event*"):
            expect(f"ID_INPUT_MOUSE of {path}", m.recorded(path).get("ID_INPUT_MOUSE"), "1")
        m.wait("mouse")
        m.never("login", "gdm")
    with check("a framebuffer by its driver: a record with nothing in it, and the login screen") as notes:
        m.clear_kernel_log()
        m.framebuffer_on()
        expect("DEVNAME", m.recorded("/sys/class/graphics/fb0")["DEVNAME"], "/dev/fb0")
        expect("what the record says", m.must("cat /run/udev/data/c29:0"), "")
        m.once("login", "gdm")
        notes += [m.delay("login"), m.delay("gdm3")]
    with check("udevadm trigger starts nothing"):
        m.must("udevadm trigger --action=add --settle")
        m.must("udevadm trigger --subsystem-match=input --subsystem-match=graphics --settle")
        m.all_heard()
        expect("mouse and framebuffer", m.truth("mouse and framebuffer"), "true")
        m.once("login", "gdm")


def udevd(m, check):
    with check("udev that is slow with input devices: the mouse is there, without a record"):
        m.must("mkdir -p /run/udev-held; touch /run/udev-held/input")
        mouse = plug_mouse(m, "m2")
        m.until(f"grep -q '{mouse.rpartition('/')[2]}$' /run/udev-waits")
        m.must(f"! test -e /run/udev/data/+input:{mouse.rpartition('/')[2]}")
        m.must("rm /run/udev-held/input")
        expect("ID_INPUT_MOUSE", m.recorded(mouse).get("ID_INPUT_MOUSE"), "1")
        m.wait("exactly 2 mice")
        m.must("udevadm settle")
        m.guest.unplug("m2")
        m.wait("exactly 1 mouse")
    with check("/etc/init.d/udev restart"):
        before = m.must("pidof systemd-udevd")
        m.must("/etc/init.d/udev restart && /etc/init.d/udev status")
        assert m.must("pidof systemd-udevd") != before, "udevd was not restarted"
    with check("udevd killed: what comes now has no record until it is there again and triggered"):
        m.must("kill -9 $(pidof systemd-udevd)")
        m.until("! pidof systemd-udevd")
        m.must("! /etc/init.d/udev status")
        mouse = plug_mouse(m, "m2")             # its driver is loaded
        m.must("/etc/init.d/udev restart && /etc/init.d/udev status")
        m.must("udevadm settle")
        m.must(f"! test -e /run/udev/data/+input:{mouse.rpartition('/')[2]}")
        m.must("udevadm trigger --action=add --subsystem-match=input --settle")
        expect("ID_INPUT_MOUSE", m.recorded(mouse).get("ID_INPUT_MOUSE"), "1")
        m.wait("exactly 2 mice")
        m.guest.unplug("m2")
        m.wait("exactly 1 mouse")


def buses(m, check):
    with check("PCI: a display that is removed, and found again by a rescan"):
        display = m.must("basename $(readlink -f /sys/class/graphics/fb0/device)")
        m.must("for c in /sys/class/vtconsole/*; do ! grep -q 'frame buffer' $c/name || echo 0 >$c/bind; done")
        m.must(f"echo 1 >/sys/bus/pci/devices/{display}/remove")
        m.until("! test -e /sys/class/graphics/fb0 && ! test -e /run/udev/data/c29:0")
        m.wait("no framebuffer")
        m.must("echo 1 >/sys/bus/pci/rescan")
        m.recorded("/sys/class/graphics/fb0")
        m.wait("framebuffer")
        m.once("login", "gdm")
    with check("a SCSI disk by scsi_debug"):
        m.must("modprobe scsi_debug")
        m.until("test -e /sys/class/block/sda")
        expect("ID_MODEL", m.recorded("/sys/class/block/sda").get("ID_MODEL"), "scsi_debug")
        m.until("udevadm settle && rmmod scsi_debug")           # udev looks into disks
        m.until("! test -e /sys/class/block/sda && ! test -e /run/udev/data/b8:0")


def attributes(m, check):
    """Files in sysfs that come later than their device, and that go before it."""
    with check("an attribute that comes with the driver, long after the `add`, and goes with it: uframe_periodic_max"):
        card = m.must("basename $(dirname $(grep -l ^0x0c0320 /sys/bus/pci/devices/*/class))")      # an EHCI controller
        device, driver = f"/sys/bus/pci/devices/{card}", "/sys/bus/pci/drivers/ehci-pci"
        file = f"{device}/uframe_periodic_max"
        m.must(f"! test -e {file} && modprobe ehci_pci && test -e {file} && test -e {device}/driver")
        m.must(f"echo {card} >{driver}/unbind && ! test -e {file}")
        m.must(f"echo {card} >{driver}/bind && test -e {file}")
        m.must(f"echo 1 >{device}/remove && rmmod ehci_pci && ! test -e {device}")
        m.must(f"echo 1 >/sys/bus/pci/rescan && udevadm settle && test -e {device} && ! test -e {file}")
        m.must(f"modprobe ehci_pci && test -e {file} && udevadm settle")
    with check("an attribute that comes and goes without any event: brport/state"):
        m.must("ip link add devmux0 type dummy && ip link add devmux1 type bridge && udevadm settle")
        m.recorded("/sys/class/net/devmux0")
        events = "dmesg | grep -c \"kobject: 'devmux0' .*kobject_uevent_env$\""
        before = m.must(events)
        m.must("ip link set devmux0 master devmux1 && test -e /sys/class/net/devmux0/brport/state")
        m.must("ip link set devmux0 nomaster && ! test -e /sys/class/net/devmux0/brport")
        expect("events of the interface", m.must(events), before)
        m.must("ip link del devmux0 && ip link del devmux1 && udevadm settle")


def naps(m, check):
    for state, name in (("freeze", "suspend to idle"), ("mem", "suspend to RAM")):
        with check(f"{name}: a mouse that was pulled meanwhile is gone, and comes back"):
            m.must("modprobe button")
            with m.guest.asleep(state):
                m.guest.unplug("m1")
            m.until("! grep -q 'USB Mouse' /proc/bus/input/devices")
            m.wait("no mouse")
            plug_mouse(m, "m1")
            m.wait("mouse")
            m.must("udevadm settle")
            m.once("login", "gdm")
    with check("taken away at the end"):
        m.must(FRAMEBUFFER_OFF)
        m.wait("no framebuffer")


def systemd(m, check):
    with check("it boots to its end, devmuxd runs") as notes:
        expect("first process", m.must("cat /proc/1/comm"), "systemd")
        expect("state", m.must("systemctl is-system-running --wait"), "running")
        m.launch()
        m.complete()
        expect("missing for login", m.missing("login"), ["mouse", "framebuffer"])
        notes.append(f"up for {m.must('cut -d. -f1 /proc/uptime')} s")
    with check("a mouse gets its record, also after a restart of udevd and after a kill -9"):
        expect("ID_INPUT_MOUSE", m.recorded(plug_mouse(m, "m1")).get("ID_INPUT_MOUSE"), "1")
        m.must("systemctl restart systemd-udevd")
        expect("ID_INPUT_MOUSE", m.recorded(plug_mouse(m, "m2")).get("ID_INPUT_MOUSE"), "1")
        before = m.must("systemctl show -p MainPID --value systemd-udevd")
        m.must(f"kill -9 {before}")
        m.until(f"main=$(systemctl show -p MainPID --value systemd-udevd); test $main != 0 && test $main != {before}")
        expect("ID_INPUT_MOUSE", m.recorded(plug_mouse(m, "m3")).get("ID_INPUT_MOUSE"), "1")
        m.wait("exactly 3 mice")
