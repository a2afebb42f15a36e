"""The login screen with both devices at boot, and with both coming during the walk of sysfs."""
import re

import vm
from groups.login import LOGIN
from machine import USB_INPUT, Machine, expect, kernel_log

CHECKS = 17

# Boots with both devices, and the daemon only starts when they are there.
BOTH_AT_BOOT = f"""
modprobe -a {USB_INPUT} bochs
until [ -e /sys/class/graphics/fb0 ] && grep -q 'USB Mouse' /proc/bus/input/devices; do sleep 0.05; done
devmuxd </dev/null >/var/log/devmuxd.1 2>&1 & echo $! >/run/devmuxd.pid
"""
BOTH = "exactly 1 mouse and exactly 1 framebuffer"       # definite only when coldplug is complete


def run(report, programs):
    # The empty slots make the walk longer between the mouse and the framebuffer.
    with Machine(programs, LOGIN["modules"], [*LOGIN["args"], *vm.pci_ports(8), "-device", "usb-mouse,bus=usb.0,id=m1"],
                 BOTH_AT_BOOT, smp="2") as m:
        def check(name):
            return report.check(f"walk: {name}", m)

        m.must("pid=$(cat /run/devmuxd.pid); log=/var/log/devmuxd.1")
        m.lives = 1
        with check("with both present at boot it has started once") as notes:
            m.complete()
            m.wait(BOTH)
            m.once("login", "gdm")
            notes.append(m.must(f"grep 'login: starting' {m.log}"))
        with check("present at boot: pulled and plugged in again, nothing more"):
            m.guest.unplug("m1")
            m.wait("no mouse")
            m.mouse_in("m1")
            m.wait(BOTH)
            m.once("login", "gdm")

        # The daemon is stopped at a known place, both devices come, and it goes on.
        length = walk_length(m)
        for name, part in (("before the walk", None), ("as it begins", 0), ("at a quarter", .25), ("at half", .5),
                           ("at three quarters", .75)):
            with check(f"both come while coldplug is held {name}") as notes:
                m.neither()
                notes.append(hold(m, part, length))
                m.mouse_in("m1")
                m.must("modprobe bochs")
                m.mouse_there()
                m.must("kill -CONT $pid")
                m.complete()
                m.wait(BOTH)
                m.once("login", "gdm")
        with check("a mouse that goes during the walk is missing, and starts nothing when it comes back") as notes:
            notes.append(hold(m, .5, length))
            m.guest.unplug("m1")
            m.until("! grep -q 'USB Mouse' /proc/bus/input/devices")
            m.must("kill -CONT $pid")
            m.complete()
            expect("missing for login", m.missing("login"), ["mouse"])
            before = len(m.started("login"))       # both were there at once, until it was held
            m.mouse_in("m1")
            m.wait(BOTH)
            m.once("login")
            notes.append(f"{before} starts before it came back")
        with check("a mouse that goes, then a framebuffer that comes: never both, nothing starts") as notes:
            notes += never_both(m, length)
        # The daemon runs free, and both come at fractions of its walk.  The mouse comes by its driver,
        # which is as sudden as the framebuffer: plugging has to wait for the bus.
        for mouse, framebuffer in ((-1.0, -1.0), (0, 0), (.6, 0), (0, .6), (.3, .3), (.2, .8), (.7, .4), (.9, .9)):
            with check(f"both come at {mouse:.0%} and {framebuffer:.0%} of a walk that runs") as notes:
                m.neither()
                m.mouse_in("m1")
                m.mouse_there()
                usb = m.must("cd /sys/bus/usb/drivers/usbhid; echo [0-9]*; cd /")
                m.must(f"echo {usb} >/sys/bus/usb/drivers/usbhid/unbind")
                m.forget()
                m.clear_kernel_log()
                steps = sorted([(mouse, f"echo {usb} >/sys/bus/usb/drivers/usbhid/bind"),
                                (framebuffer, "modprobe bochs")])
                walking = "until grep -q 'in force' $log; do :; done"
                m.launch("\n".join(
                    f"( {walking if at >= 0 else ''}\n sleep {max(at, 0) * length:.3f}; {do} ) & child{n}=$!"
                    for n, (at, do) in enumerate(steps)) + "\nwait $child0 $child1")
                m.complete()
                m.wait(BOTH)
                m.once("login", "gdm")
                notes.append(places(m))


def walk_length(m):
    """How many seconds the walk takes in this guest, with neither device; the daemon's log knows."""
    m.neither()
    m.forget()
    m.launch()
    m.complete()
    times = re.findall(r"^ *([\d.]+) .*(?:in force|coldplug is complete)", m.must(f"cat {m.log}"), re.M)
    length = float(times[1]) - float(times[0])
    print(f"      a walk takes {1000 * length:.0f} ms", flush=True)
    return length


def never_both(m, length):
    """The mouse is there when the walk passes it, and gone before the framebuffer comes, which the walk still finds.

    The moment is searched for; whichever it is, nothing may start.
    """
    m.neither()
    m.mouse_in("m1")
    m.framebuffer_on()
    m.mouse_there()
    order = m.must("find /sys/devices -name uevent").splitlines()      # that of the walk
    mouse, framebuffer = (max(n for n, path in enumerate(order) if re.search(pattern, path))
                          for pattern in (r"/usb1/.*/input/input\d+/uevent$", r"/graphics/fb0/uevent$"))
    assert mouse < framebuffer, "this kernel lists the devices in another order: the check makes no sense"
    early, late = 0.0, 1.0
    for attempt in range(1, 17):
        m.neither()
        m.mouse_in("m1")
        m.mouse_there()
        part = (early + late) / 2
        where = hold(m, part, length)
        m.guest.unplug("m1")
        m.until("! grep -q 'USB Mouse' /proc/bus/input/devices")
        m.framebuffer_on()
        m.must("kill -CONT $pid")
        m.complete()
        m.wait("exactly 1 framebuffer and no mouse")
        m.never("login")
        place = where.rpartition(" ")[2]
        at = next((n for n, path in enumerate(order) if path.startswith(f"{place}/")), len(order))
        if mouse < at < framebuffer:
            return [f"{where}, attempt {attempt}"]
        early, late = (part, late) if at <= mouse else (early, part)
        if late - early < .01:                     # a noisy machine: search again
            early, late = max(0, part - .2), min(1, part + .2)
    return ["the walk was never held between the two"]


def hold(m, part, length):
    """Starts a new daemon and stops it: between listening and walking, or at a part of its walk.

    Returns where it stands, as text, with a path at the end if it is in the walk.
    """
    for attempt in range(40):
        m.forget()
        seen = 'grep -q "^[0-9a-f]* *15 *$pid " /proc/net/netlink' if part is None else "grep -q 'in force' $log"
        m.launch(f"""until {seen}; do kill -0 $pid || exit; done
                     sleep {(part or 0) * length:.3f}; kill -STOP $pid
                     until grep -q '^State:.*stopped' /proc/$pid/status; do :; done""")
        log = m.must(f"cat {m.log}")
        if part is None and "in force" not in log:
            return "it listens and has not read its units yet"
        folders = re.findall(r"(/sys/\S+)", m.must("ls -l /proc/$pid/fd"))
        if part is not None and "coldplug is complete" not in log and (folders or part == 0 or attempt > 3):
            return f"it is in {max(folders, key=len)}" if folders else "it begins or ends its walk"
        length *= .7                      # it was faster than that
    raise AssertionError("the daemon was too fast to be stopped there, forty times")


def places(m):
    """When the devices came, in relation to the walk, as text.

    The daemon's clock and the kernel's are brought together by the start of the script.
    """
    log = m.must(f"cat {m.log}")
    stamp = {what: float(at)
             for at, what in re.findall(r"^ *([\d.]+) .*(in force|is complete|login: starting)", log, re.M)}
    kernel = kernel_log(m.must("dmesg"))
    begin = max(at for at, text in kernel if text == "script login begins")

    def at(pattern):
        return 1000 * (max(at for at, text in kernel if re.match(pattern, text)) - begin
                       + stamp["login: starting"] - stamp["in force"])
    return (f"mouse {at(r'input: .*Mouse'):+.0f} ms, framebuffer {at(r'kobject: .fb0. .*uevent_env$'):+.0f} ms "
            f"from the begin of a walk of {1000 * (stamp['is complete'] - stamp['in force']):.0f} ms")
