"""Beside a real udevd, in a whole Debian: who is seen, who is ready, what restarts and triggers do, and
attributes that come late or go."""
import re
import time

import vm
from debian import slow_rules
from machine import USB_INPUT, DebianMachine, expect
from groups.debian import plug_mouse

CHECKS = 14

MODULES = f"{USB_INPUT} evdev bochs ehci_pci button bridge dummy"
ARGS = [*vm.USB, "-device", "bochs-display", "-device", "usb-ehci"]
STUB = b'#!/bin/sh\necho "$0 $1 $ACTION $DEVPATH 0" >>/var/log/starts\n'
# Of the EHCI controller, and there while its driver is; of a bridge's port.
FILE, PORT = "uframe_periodic_max", "brport/state"
UNITS = {
    "watch": "while: mouse",
    "display": 'while: \'pci device[attr.vendor = "0x1234" and attr.class ~ "0x03*"]\'',
    "framed": f"while: 'pci device[attr.{FILE} ~ \"*\"]'",
    "unframed": f"while: 'no pci device[attr.{FILE} ~ \"*\"]'",
    "port": f"while: 'network interface[name = \"devmux0\" and attr.{PORT} ~ \"*\"]'",
}


def files():
    out = {f"/etc/devmux/units.d/{name}.yaml": f"description: of the test\n{text}\ninit-script: {name}\n".encode()
           for name, text in UNITS.items()}
    out |= {f"/etc/init.d/{name}": STUB for name in UNITS}
    # udev would load these drivers at boot.
    return out | slow_rules("input", "graphics") | {"/etc/modprobe.d/test.conf": b"blacklist bochs\nblacklist ehci_pci\n"}


def run(report, programs):
    with DebianMachine(programs, MODULES, ARGS, files=files(), held=True, firmware=True) as m:
        def check(name):
            return report.check(f"udev: {name}", m)

        boot(m, check)
        ready(m, check)
        again(m, check)
        buses(m, check)
        attributes(m, check)
        helper(m, check)
        naps(m, check)


def verbs(m, script):
    return [row.verb for row in m.started(script)]


def counters(m):
    return m.devmux("status")["counters"]


def boot(m, check):
    with check("devmuxd is up before udevd, and waits for it") as notes:
        m.launch()
        m.complete()
        status = m.devmux("status")
        expect("udev", status["udev"], "down")
        notes.append(f"{status['waiting_for_udev']} devices wait")
        m.guest.go_on()
        m.until("devmux --json status | grep -q '\"udev\": *\"running\"'")
        m.until("devmux --json status | grep -q '\"waiting_for_udev\": *0[,}]'")
        if early := [at for at in given_up(m) if at < 29.5]:
            raise AssertionError(f"taking devices as ready without udev after {early[0]} s, not 30")


def given_up(m):
    """When the daemon no longer waited for udevd, in seconds since its begin: a slow machine has its udevd later."""
    stamps = [(float(line.split()[0]), line) for line in m.must("cat $log").splitlines() if re.match(r" *\d+\.\d+ ", line)]
    return [at - stamps[0][0] for at, line in stamps if "taking devices as ready" in line]


def ready(m, check):
    with check("mouse and framebuffer are seen while udev works on them: gdm waits") as notes:
        m.must("mkdir -p /run/udev-held; touch /run/udev-held/input /run/udev-held/graphics")
        plug_mouse(m, "m1")
        m.framebuffer_on()
        m.wait("mouse seen and framebuffer seen")
        m.until("grep -q graphics/fb0 /run/udev-waits && grep -q '/input[0-9]*$' /run/udev-waits")
        m.never("login", "gdm")
        expect("missing for login", m.missing("login"), ["mouse", "framebuffer"])
        text = m.must("devmux explain gdm")
        if "udev is not done with it" not in text:
            raise AssertionError(f"explain does not say why: {text}")
        expect("runs of watch", verbs(m, "watch"), [])
        notes.append(f"{m.devmux('status')['waiting_for_udev']} devices wait for udev")
    with check("udev is done with the framebuffer: the mouse is missing"):
        m.must("rm /run/udev-held/graphics")
        m.wait("framebuffer")
        m.never("login", "gdm")
        expect("missing for login", m.missing("login"), ["mouse"])
    with check("udev is done with the mouse: gdm starts, once"):
        m.must("rm /run/udev-held/input")
        m.wait("mouse and framebuffer")
        m.once("login", "gdm")
        expect("runs of watch", verbs(m, "watch"), ["start"])


def again(m, check):
    with check("udevadm trigger, of every kind, runs nothing again") as notes:
        m.all_heard()               # its interface is the first, which starts what that starts
        m.once("first-net", state="done")
        m.must("cp /var/log/starts /tmp/before")
        before = counters(m)
        for action in ("add", "change", "remove"):
            m.must(f"udevadm trigger --action={action} --settle")
        m.must("udevadm trigger --type=subsystems --action=add --settle")
        m.all_heard()
        expect("mouse and framebuffer", m.truth("mouse and framebuffer"), "true")
        after = counters(m)
        notes.append(f"{after['synthetic'] - before['synthetic']} synthetic events, "
                     f"{after['received_udev'] - before['received_udev']} of udev")
        expect("lost", after["lost"], 0)
        m.must("cmp /var/log/starts /tmp/before")
    with check("udevd restarted, and killed with -9 and started: nothing stops, nothing starts"):
        m.must("/etc/init.d/udev restart && /etc/init.d/udev status && udevadm settle")
        m.must("kill -9 $(pidof systemd-udevd)")
        m.until("! pidof systemd-udevd")
        m.must("/etc/init.d/udev restart && /etc/init.d/udev status && udevadm settle")
        m.must("udevadm trigger --action=add --settle")
        m.all_heard()
        expect("mouse and framebuffer", m.truth("mouse and framebuffer"), "true")
        m.must("cmp /var/log/starts /tmp/before")
    with check("plugged in while udevd was dead: taken as ready when udev is idle and says nothing"):
        m.must("kill -9 $(pidof systemd-udevd)")
        m.until("! pidof systemd-udevd")
        plug_mouse(m, "m2")
        m.wait("exactly 2 mice seen")
        m.must("/etc/init.d/udev restart && /etc/init.d/udev status")
        m.wait("exactly 2 mice")
        m.must("grep -q 'udev is idle and has said nothing of' $log")
        m.guest.unplug("m2")
        m.wait("exactly 1 mouse")
        m.must("cmp /var/log/starts /tmp/before")


def buses(m, check):
    with check("a PCI device removed and found again, under a condition on its attributes: one stop, one start"):
        display = m.must("basename $(readlink -f /sys/class/graphics/fb0/device)")
        expect("runs so far", verbs(m, "display"), ["start"])
        m.must("for c in /sys/class/vtconsole/*; do ! grep -q 'frame buffer' $c/name || echo 0 >$c/bind; done")
        for rounds in (1, 2, 3):
            m.must(f"echo 1 >/sys/bus/pci/devices/{display}/remove")
            m.wait('no pci device[attr.vendor = "0x1234"]')
            expect("display", m.at_rest("display")["state"], "waiting")
            m.must("echo 1 >/sys/bus/pci/rescan")
            m.wait('pci device[attr.vendor = "0x1234"] and framebuffer')
            expect("display", m.at_rest("display")["state"], "active")
            expect("runs", verbs(m, "display"), ["start"] + ["stop", "start"] * rounds)
        m.once("login", "gdm")


def attributes(m, check):
    card = m.must("basename $(dirname $(grep -l ^0x0c0320 /sys/bus/pci/devices/*/class))")      # an EHCI controller
    driver = "/sys/bus/pci/drivers/ehci-pci"
    with check("a file that is not there: looked for, and then it never appeared"):
        m.wait(f'no pci device[attr.{FILE} ~ "*"]')
        expect("framed", m.at_rest("framed")["state"], "waiting")
        expect("unframed", m.at_rest("unframed")["state"], "active")
        text = m.must("devmux explain framed")
        if "never appeared" not in text:
            raise AssertionError(f"explain does not say why: {text}")
    with check("it comes with the driver, and goes with it: no false answer"):
        for rounds in (1, 2):
            m.must("modprobe ehci_pci" if rounds == 1 else f"echo {card} >{driver}/bind")
            m.wait(f'pci device[attr.{FILE} ~ "*"]')
            m.at_rest("unframed")
            expect("runs of framed", verbs(m, "framed"), (["start", "stop"] * rounds)[:-1])
            m.must(f"echo {card} >{driver}/unbind")
            m.wait(f'no pci device[attr.{FILE} ~ "*"]')
            m.at_rest("framed")
            expect("runs of framed", verbs(m, "framed"), ["start", "stop"] * rounds)
            expect("runs of unframed", verbs(m, "unframed"), ["start"] + ["stop", "start"] * rounds)
    with check("a new device without the file: it may come for 5 s, so nothing is stopped or started for it") as notes:
        before = verbs(m, "unframed")
        m.must(f"echo 1 >/sys/bus/pci/devices/{card}/remove && rmmod ehci_pci")
        m.wait("settled and no pci device[attr.class = \"0x0c0320\"]")
        began = switches(m)
        since = uptime(m)
        m.must(f"echo 1 >/sys/bus/pci/rescan && udevadm settle && test -e /sys/bus/pci/devices/{card}")
        m.wait("pci device[attr.class = \"0x0c0320\"]")
        verdict = m.devmux("status", "unframed")["verdict"]
        if uptime(m) - since < 5:
            expect("while it may come", verdict, "unknown")
        else:
            notes.append("this machine was too slow to look while it might come")
        m.wait(f'no pci device[attr.{FILE} ~ "*"]')
        found = switches(m) - began
        notes.append(f"{found} switches of threads in 5 s")
        if found > 1500:
            raise AssertionError(f"busy waiting: {notes[-1]}")
        expect("runs of unframed", verbs(m, "unframed"), before)
    with check("a file that comes without any event is found within 5 s"):
        m.must("ip link add devmux1 type bridge && ip link add devmux0 type dummy && ip link set devmux0 master devmux1")
        m.wait(f'network interface[name = "devmux0" and attr.{PORT} ~ "*"]')
        expect("port", m.at_rest("port")["state"], "active")
        m.must("ip link del devmux0 && ip link del devmux1")
        m.wait('no network interface[name = "devmux0"]')
        expect("port", m.at_rest("port")["state"], "waiting")
        expect("runs of port", verbs(m, "port"), ["start", "stop"])


def uptime(m):
    return float(m.must("cut -d' ' -f1 /proc/uptime"))


def switches(m):
    text = m.must("grep -h ctxt_switches /proc/$pid/task/*/status; true")
    return sum(int(n) for n in re.findall(r"\d+", text))


def helper(m, check):
    with check("a helper's `add` that comes after the kernel's `remove` resurrects nothing"):
        m.must("ip link add devmux2 type dummy")
        m.wait('network interface[name = "devmux2"]')
        # Its number is that of the newest event but those of its queues.
        number = int(m.must("cat /sys/kernel/uevent_seqnum"))
        m.must("ip link del devmux2")
        m.wait('no network interface[name = "devmux2"]')
        before = counters(m)
        for late in range(number - 4, number + 1):
            m.must(f"env -i HOME=/ PATH=/bin ACTION=add DEVPATH=/devices/virtual/net/devmux2 SUBSYSTEM=net "
                   f"INTERFACE=devmux2 IFINDEX=99 SEQNUM={late} devmux-hotplug net")
        m.until(f"devmux --json status | grep -q '\"received_hotplug\": *{before['received_hotplug'] + 5}'")
        expect("the interface is there", m.truth('network interface[name = "devmux2"] seen'), "false")
        after = counters(m)
        expect("late or taken in before", after["late"] + after["duplicate"] - before["late"] - before["duplicate"], 5)


def naps(m, check):
    with check("after suspend everything is verified: a mouse that was pulled meanwhile stops its unit once"):
        runs = verbs(m, "watch")
        before = counters(m)
        m.must("modprobe button")
        with m.guest.asleep("mem"):
            m.guest.unplug("m1")
            time.sleep(3)       # the hardware's clock counts seconds, and a shorter nap is none
        m.wait("no mouse")
        m.until("grep -q 'the machine was suspended' $log")
        expect("watch", m.at_rest("watch")["state"], "waiting")
        expect("runs of watch", verbs(m, "watch"), runs + ["stop"])
        if counters(m)["doubts"] <= before["doubts"]:
            raise AssertionError("the resume was not counted")
        m.once("login", "gdm")
