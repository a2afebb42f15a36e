"""The login screen: `mouse AND framebuffer present`, with neither device at boot."""
import vm
from machine import FRAMEBUFFER_OFF, USB_INPUT, Machine, expect

CHECKS = 11

LOGIN = {"modules": f"{USB_INPUT} evdev bochs", "args": [*vm.USB, "-device", "bochs-display"]}


def run(report, programs):
    with Machine(programs, **LOGIN) as m:
        def check(name):
            return report.check(f"login: {name}", m)

        m.must(f"modprobe -a {USB_INPUT}")
        with check("booted with neither device, explain names both"):
            m.launch()
            m.complete()
            expect("missing for login", m.missing("login"), ["mouse", "framebuffer"])
            expect("missing for gdm", m.missing("gdm"), ["pointer", "framebuffer"])
            m.never("login", "gdm")
        with check("with a mouse plugged in, explain names the framebuffer alone"):
            m.mouse_in("m1")
            m.wait("mouse")
            expect("missing for login", m.missing("login"), ["framebuffer"])
            expect("missing for gdm", m.missing("gdm"), ["framebuffer"])
            m.never("login", "gdm")
        with check("the framebuffer's driver starts it, once, at once") as notes:
            m.clear_kernel_log()
            m.framebuffer_on()
            started_at_once(m)
            notes += [m.delay("login"), m.delay("gdm3")]
        nothing_more(m, check)

        m.neither()
        m.forget()
        with check("framebuffer first: explain names the mouse alone"):
            m.launch()
            m.complete()
            expect("missing for login", m.missing("login"), ["mouse", "framebuffer"])
            m.framebuffer_on()
            m.wait("framebuffer")
            expect("missing for login", m.missing("login"), ["mouse"])
            expect("missing for gdm", m.missing("gdm"), ["pointer"])
            m.never("login", "gdm")
        with check("framebuffer first: the mouse starts it, once, at once") as notes:
            m.clear_kernel_log()
            m.mouse_in("m1")
            started_at_once(m)
            notes += [m.delay("login"), m.delay("gdm3")]
        nothing_more(m, check, "framebuffer first: ")


def started_at_once(m):
    """Both devices are there or coming: the engine must know no state in which they are and nothing was started."""
    m.wait("mouse and framebuffer")
    for unit in ("login", "gdm"):
        found = m.devmux("status", unit)
        expect(f"starts of {unit} when both are there", found["starts"], 1)
    m.once("login", "gdm")


def nothing_more(m, check, case=""):
    """The unit has started: more mice, and devices that go and come back, start nothing."""
    with check(f"{case}a second mouse starts nothing more"):
        m.mouse_in("m2")
        m.wait("exactly 2 mice")
        expect("mice that devmux knows", len(m.devmux("devices", "mouse")), 2)
        m.once("login", "gdm")
    with check(f"{case}both mice pulled and plugged in again start nothing more"):
        m.guest.unplug("m1")
        m.wait("exactly 1 mouse")
        m.once("login", "gdm")
        m.guest.unplug("m2")
        m.wait("no mouse")
        expect("missing for login", [leaf["text"] for leaf in m.devmux("explain", "login")["missing"]], ["mouse"])
        m.mouse_in("m2")
        m.wait("exactly 1 mouse")
        m.mouse_in("m1")
        m.wait("exactly 2 mice")
        m.once("login", "gdm")
    with check(f"{case}a framebuffer that goes and comes back starts nothing more"):
        m.must(FRAMEBUFFER_OFF)
        m.wait("no framebuffer")
        m.framebuffer_on()
        m.wait("mouse and framebuffer")
        m.once("login", "gdm")
