#!/usr/bin/env python3
"""Shows in real machines that devmux starts what it should, once and at once.

    acceptance.py [--build DIR] [GROUP...]

devmuxd and devmux from the build directory run in QEMU guests (see vm.py) on
Debian's kernel, without udev, with the shipped units and a few more.  Devices
are really plugged and pulled.  The groups, a guest each:

    login    "mouse AND framebuffer present", with neither device at boot
    walk     the same with both at boot, and with both coming during coldplug
    kinds    network interfaces, sound cards, processors; kill -9 during starts

Init scripts are stubs that log how they were called.  Nothing passes or fails
for the time it took, except by timeouts of minutes.  Each delay is printed: from
the kernel's event to the first line of the script, on the kernel's own clock.

That a start does *not* happen is seen without waiting: the engine decides in the
same step in which a `devmux wait` for the device ends, so the unit's state tells
right after that whether anything was started.

The last line is "N passed, N failed"; the exit status is 1 if any failed.
Needed on the host: what vm.py needs.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import vm

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LONG = 180      # seconds after which something that should happen is given up

# Every init script of the guests.  Its first act is to leave a time stamp in the
# kernel's log.  While /tmp/hold/NAME is there it does not end, and talks.
STUB = b"""#!/bin/sh
echo "script ${0##*/} begins" >/dev/kmsg
read -r uptime rest </proc/uptime
echo "$0 $1 $ACTION $DEVPATH $uptime" >>/var/log/starts
while [ -e "/tmp/hold/${0##*/}" ]; do echo "still here"; sleep 0.1; done
echo "$0 $1" >>/var/log/ends
"""
SCRIPTS = "gdm3 alsa-utils cpufrequtils login first-net sound cores slow first-sound".split()
COMMANDS = ["ntpdate-debian"]           # of the shipped unit ntpdate, in /usr/sbin

UNITS = {
    "login": "when: mouse AND framebuffer present",
    "first-net": "when: first network interface only\ntask: true",
    "sound": "when: sound card present",
    "cores": "when: at least 2 cpu",
    # Tasks run again at each new false to true: only what is saved keeps them from it.
    "slow": "when: sound card present\ntask: true",
    "first-sound": "when: first sound card only\ntask: true",
}

# What a guest does before the shell: the scene of every test.
SETUP = """#!/bin/sh
mkdir -p /var/log /tmp/hold
touch /var/log/starts /var/log/ends
# The kernel notes each uevent in its log, with the time.
echo 'func kobject_uevent_env +p' >/proc/dynamic_debug/control
"""
USB_INPUT = "xhci_pci usbhid hid_generic"
FRAMEBUFFER_OFF = """
    for console in /sys/class/vtconsole/*; do
        if grep -q 'frame buffer' $console/name; then echo 0 >$console/bind; fi
    done
    rmmod bochs"""


# ---- checks ----------------------------------------------------------------

class Report:
    """Counts checks and prints how each ended."""

    def __init__(self):
        self.passed = self.failed = 0

    @contextlib.contextmanager
    def check(self, name, machine=None):
        """A named check: what is raised inside makes it fail, and the next goes on.

        A guest that is gone ends its group.  What the block appends to the list
        that it gets is printed behind the name.
        """
        notes, began = [], time.monotonic()
        try:
            yield notes
        except GroupOver:              # counted where it came from
            raise
        except Exception as e:
            self.failed += 1
            print(f"FAIL  {name}", flush=True)
            if isinstance(e, (AssertionError, vm.GuestError)):
                print(indented(f"{e or 'assertion failed'}\n{place_of(e)}"))
            else:
                print(indented(traceback.format_exc()))
            if machine:
                evidence, alive = machine.evidence()
                print(indented(evidence), flush=True)
                if not alive:
                    raise GroupOver from e
        else:
            self.passed += 1
            said = f": {'; '.join(notes)}" if notes else ""
            print(f"ok    {name}{said}  [{time.monotonic() - began:.1f} s]", flush=True)


class GroupOver(Exception):
    """The rest of a group makes no sense."""


def place_of(error):
    frame = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"at {f.name}, line {f.lineno}: {f.line}" for f in frame if f.filename == __file__)


def indented(text):
    return "\n".join(f"      {line}" for line in text.splitlines())


def expect(what, found, wanted):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r}, expected {wanted!r}")


# ---- the machine -----------------------------------------------------------

@dataclasses.dataclass
class Start:
    """A line that a stub wrote."""
    script: str
    verb: str
    action: str
    devpath: str
    uptime: float


class Machine:
    """A guest with devmux in it."""

    def __init__(self, programs, modules, args, boot="", **kw):
        shipped, units = SOURCE / "units.d", "/etc/devmux/units.d"
        files = {f"{units}/{p.relative_to(shipped)}": p.read_bytes() for p in shipped.rglob("*.yaml")}
        for name, text in UNITS.items():
            files[f"{units}/{name}.yaml"] = f"description: of the test\n{text}\ninit-script: {name}\n".encode()
        files |= {f"/etc/init.d/{name}": STUB for name in SCRIPTS} | {f"/usr/sbin/{name}": STUB for name in COMMANDS}
        files |= vm.with_libs(programs) | {"/payload/init": (SETUP + boot).encode()}
        began = time.monotonic()
        self.guest = vm.Guest(modules=modules.split(), files=files, args=args, append="printk.devkmsg=on",
                              ready=LONG, **kw)
        print(f"      the guest is up after {time.monotonic() - began:.1f} s", flush=True)
        self.must("export NO_COLOR=1")
        self.lives = 0             # daemons so far; each has its own log

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.guest.close()

    def must(self, cmd):
        return self.guest.must(cmd, timeout=LONG)

    def until(self, cmd):
        return self.guest.until(cmd, timeout=LONG, every=0.05)

    # the daemon

    @property
    def log(self):
        return f"/var/log/devmuxd.{self.lives}"

    def launch(self, then=""):
        """Starts the daemon, and runs shell text right behind it; $pid is the daemon, $log what it says."""
        self.lives += 1
        self.must(f"log={self.log}; >$log; devmuxd </dev/null >$log 2>&1 & pid=$!\n{then}")

    def complete(self):
        """Waits until the daemon has seen all that was there before it."""
        self.until("grep -q 'coldplug is complete' $log || ! kill -0 $pid")
        self.must("kill -0 $pid")

    def kill(self, signal=9):
        self.must(f"kill -{signal} $pid; wait $pid; true")

    def forget(self):
        """As after a reboot: no daemon, nothing saved, nothing logged."""
        self.must("if kill -9 $pid; then wait $pid; fi 2>/dev/null; rm -rf /run/devmux /tmp/hold/* /var/log/devmuxd.*\n"
                  ">/var/log/starts; >/var/log/ends")
        self.lives = 0

    # what it says

    def devmux(self, *args):
        """What `devmux --json` answers."""
        return json.loads(self.must("devmux --json " + shlex.join(args)))

    def wait(self, condition):
        """Blocks until a condition holds."""
        self.must(f"devmux wait --timeout {LONG - 10}s {shlex.quote(condition)}")

    def missing(self, unit):
        """The facts that explain names as missing, which must be in the text for people as well."""
        facts = [leaf["text"] for leaf in self.devmux("explain", unit)["missing"]]
        text = self.must(f"devmux explain {unit}")
        named = re.findall(r"^(?:Missing: | {9})([^–\n]*) –", text, re.M)
        expect(f"the text of `explain {unit}` names", named, facts)
        return facts

    # what happened

    def started(self, script):
        """How a script was called, each time."""
        rows = [Start(pathlib.PurePath(f[0]).name, f[1], f[2], f[3], float(f[4]))
                for f in (line.split(" ") for line in self.must("cat /var/log/starts").splitlines())]
        return [row for row in rows if row.script == script]

    def ended(self, script):
        return len(re.findall(rf"/{script} ", self.must("cat /var/log/ends") + " "))

    def never(self, *units):
        """Checks that units were not started."""
        for unit, script in named(units):
            expect(f"starts of {unit}", self.devmux("status", unit)["starts"], 0)
            expect(f"calls of {script}", self.started(script), [])

    def once(self, *units, state="active"):
        """Checks that units were started once, by a device's arrival, and are past it."""
        for unit, script in named(units):
            self.until(f"grep -q '/{script} ' /var/log/ends")
            found = self.at_rest(unit)
            calls = self.started(script)
            verb = "" if script in COMMANDS else "start"
            expect(f"calls of {script}", [(c.verb, c.action) for c in calls], [(verb, "add")])
            expect(f"{unit} is", found["state"], state)

    def at_rest(self, unit):
        """Waits until a unit is not on its way; returns its status."""
        end = time.monotonic() + LONG
        while (found := self.devmux("status", unit))["state"] in ("starting", "stopping"):
            if time.monotonic() > end:
                raise vm.GuestTimeout(f"{unit} is {found['state']} for {LONG} s")
        return found

    def delay(self, script):
        """From the event of the device that a script was started for to the script's begin, as text."""
        calls = self.started(script)
        if not calls:
            raise AssertionError(f"{script} was not started")
        device = pathlib.PurePath(calls[-1].devpath).name
        lines = kernel_log(self.must("dmesg"))
        begin = max((at for at, text in lines if text == f"script {script} begins"), default=None)
        event = max((at for at, text in lines if begin and at <= begin and
                     re.match(rf"kobject: '{re.escape(device)}' .*kobject_uevent_env$", text)), default=None)
        returned = max((at for at, text in lines if text == "modprobe returned"), default=None)
        if event is None:
            return f"{script} for {device}, delay not measured"
        text = f"{script} {1000 * (begin - event):.0f} ms after the kernel announced {device}"
        if returned:
            after = 1000 * (begin - returned)
            text += f", {abs(after):.0f} ms {'after' if after > 0 else 'before'} modprobe returned"
        return text

    def evidence(self):
        """All that may explain a failure, and whether the guest still answers."""
        text = f"--- console\n{self.guest.log.read_text(errors='replace')[-2000:]}\n"
        try:
            return text + self.guest.sh(
                "for f in /var/log/devmuxd.* /var/log/starts; do echo \"--- $f\"; tail -n 60 $f; done\n"
                "echo '--- devmux status'; devmux status; echo '--- kernel'; dmesg | tail -n 30")[1], True
        except vm.GuestError:
            return f"{text}the guest does not answer any more", False

    # devices

    def clear_kernel_log(self):
        self.must("dmesg -c >/dev/null")

    def framebuffer_on(self):
        self.must("modprobe bochs && echo 'modprobe returned' >/dev/kmsg")

    def mouse_in(self, id):
        self.guest.plug("usb-mouse", id, bus="usb.0")

    def neither(self):
        """Takes mice and framebuffer away."""
        for device in self.guest.qmp("qom-list", path="/machine/peripheral"):
            if device["type"] == "child<usb-mouse>":
                self.guest.unplug(device["name"])
        self.until("! grep -q 'USB Mouse' /proc/bus/input/devices")
        self.must(f"! test -e /sys/class/graphics/fb0 || {{ {FRAMEBUFFER_OFF}\n}}")
        self.until("! test -e /sys/class/graphics/fb0")

    def mouse_there(self):
        self.until("grep -q 'USB Mouse' /proc/bus/input/devices")


def named(units):
    """(unit, its script): they have the same name but for the shipped ones."""
    scripts = {"gdm": "gdm3", "alsa": "alsa-utils", "powernowd": "cpufrequtils", "ntpdate": "ntpdate-debian"}
    return [(unit, scripts.get(unit, unit)) for unit in units]


def kernel_log(text):
    """(seconds, text) of each line of dmesg."""
    return [(float(m[1]), m[2]) for m in re.finditer(r"^\[ *([\d.]+)\] (.*)$", text, re.M)]


# ---- item 1: the login screen ----------------------------------------------

LOGIN = {"modules": f"{USB_INPUT} evdev bochs", "args": [*vm.USB, "-device", "bochs-display"]}


def login(report, programs):
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


# ---- item 1: both at boot, both during the walk ------------------------------

# Boots with both devices, and the daemon only starts when they are there.
BOTH_AT_BOOT = f"""
modprobe -a {USB_INPUT} bochs
until [ -e /sys/class/graphics/fb0 ] && grep -q 'USB Mouse' /proc/bus/input/devices; do sleep 0.05; done
devmuxd </dev/null >/var/log/devmuxd.1 2>&1 & echo $! >/run/devmuxd.pid
"""
BOTH = "exactly 1 mouse and exactly 1 framebuffer"       # definite only when coldplug is complete


def walk(report, programs):
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
    for attempt in range(1, 9):
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
    for attempt in range(8):
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
    raise AssertionError("the daemon was too fast to be stopped there, eight times")


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


# ---- items 2 and 6 -----------------------------------------------------------

def kinds(report, programs):
    with Machine(programs, "xhci_pci snd_usb_audio e1000e",
                 [*vm.USB, "-audiodev", "none,id=snd", *vm.pci_ports(2)]) as m:
        def check(name):
            return report.check(f"kinds: {name}", m)

        m.must("modprobe -a xhci_pci snd_usb_audio e1000e")
        with check("booted with none of them, each unit names its own"):
            m.launch()
            m.complete()
            for unit, fact in {"first-net": "first network interface", "sound": "sound card",
                               "cores": "at least 2 cpu"}.items():
                expect(f"missing for {unit}", m.missing(unit), [fact])
            m.never("first-net", "sound", "cores", "ntpdate", "alsa")
        with check("cpu: powernowd has started for the one that is there"):
            m.once("powernowd", state="done")
        network(m, check)
        sound(m, check)
        processors(m, check)
        crashes(m, check)


def card_in(m, n):
    """Plugs a network card in.  Without a boot ROM, which not every host has."""
    m.guest.plug("e1000e", f"net{n}", bus=f"port{n}", romfile="")


def network(m, check):
    ours = ("first-net", "ntpdate")
    with check("net: the first e1000e starts `first network interface only`") as notes:
        m.clear_kernel_log()
        card_in(m, 1)
        m.wait("network interface")
        m.once(*ours, state="done")
        winner = m.started("first-net")[0].devpath
        expect("interface", pathlib.PurePath(winner).name, "eth0")
        notes += [m.delay("first-net"), m.delay("ntpdate-debian")]
    with check("net: the second starts nothing"):
        card_in(m, 2)
        m.wait("exactly 2 network interfaces")
        m.once(*ours, state="done")
    with check("net: both pulled and plugged in again start nothing"):
        eject(m, "net1", "net2")
        m.wait("no network interface")
        m.once(*ours, state="done")
        card_in(m, 2)
        m.wait("exactly 1 network interface")
        m.once(*ours, state="done")
        card_in(m, 1)
        m.wait("exactly 2 network interfaces")
        m.once(*ours, state="done")


def eject(m, *ids):
    """Pulls PCI devices out, all at once: the kernel takes its time with each."""
    m.guest.unplug(ids[0])
    for id in ids[1:]:
        m.guest.qmp("device_del", id=id)
    end = time.monotonic() + LONG
    asked = time.monotonic()
    while left := [id for id in ids if id not in {e["data"].get("device") for e in m.guest.events
                                                  if e["event"] == "DEVICE_DELETED"}]:
        if time.monotonic() > end:
            raise vm.GuestTimeout(f"{', '.join(left)} still plugged in after {LONG} s")
        if time.monotonic() > asked + 20:
            asked = time.monotonic()
            for id in left:
                with contextlib.suppress(vm.GuestError):
                    m.guest.qmp("device_del", id=id)
        time.sleep(0.05)
        m.guest.qmp("query-status")          # reads the events that have come


def audio_in(m, id):
    m.guest.plug("usb-audio", id, bus="usb.0", audiodev="snd")


def audio_out(m, *ids):
    for id in ids:
        m.guest.unplug(id)
    m.until("! ls -d /sys/class/sound/card*")


def sound(m, check):
    with check("sound: usb-audio starts `sound card present`, and alsa") as notes:
        m.clear_kernel_log()
        audio_in(m, "snd1")
        m.wait("sound card")
        m.once("sound")
        m.once("alsa", state="waiting")        # driven by events: it waits for the next
        notes += [m.delay("sound"), m.delay("alsa-utils")]
    with check("sound: another card starts alsa again, and `sound card present` not"):
        audio_in(m, "snd2")
        m.wait("exactly 2 sound cards")
        m.until("grep -c /alsa-utils /var/log/ends | grep -q -v '^[01]$'")
        expect("calls of alsa-utils", [c.action for c in m.started("alsa-utils")], ["add", "add"])
        m.once("sound")


def processors(m, check):
    with check("cpu: one that is plugged in and offline starts nothing"):
        m.guest.plug_cpu("cpu1")
        m.wait("device[name = \"cpu1\"]")
        expect("processors online", len(m.devmux("devices", "cpu")), 1)
        m.never("cores")
    with check("cpu: set online it starts `at least 2 cpu`") as notes:
        m.clear_kernel_log()
        m.must("echo 1 >/sys/devices/system/cpu/cpu1/online")
        m.wait("at least 2 cpu")
        m.once("cores")
        notes.append(m.delay("cores"))


def crashes(m, check):
    held = ("slow", "first-sound")          # tasks for a sound card; the scripts are held
    begun = "grep -q /slow /var/log/starts && grep -q /first-sound /var/log/starts"

    def fresh():
        audio_out(m, *(d["name"] for d in m.guest.qmp("qom-list", path="/machine/peripheral")
                       if d["type"] == "child<usb-audio>"))
        m.forget()
        m.must("touch /tmp/hold/slow /tmp/hold/first-sound")
        m.launch()
        m.complete()
        m.never(*held)
        audio_in(m, "snd1")
        m.until(begun)
        return [m.devmux("status", unit)["pid"] for unit in held]

    pids = []
    with check("kill -9: scripts under way live on, and are adopted by the next daemon"):
        pids = fresh()
        m.kill(9)
        m.must(f"kill -0 {pids[0]} && kill -0 {pids[1]}")
        m.launch()
        m.complete()
        for unit, pid in zip(held, pids):
            found = m.devmux("status", unit)
            expect(f"{unit} is", (found["state"], found["pid"]), ("starting", pid))
            expect(f"calls of {unit}", len(m.started(unit)), 1)
    with check("kill -9: adopted scripts are seen to their end and did not run twice"):
        m.must("rm /tmp/hold/*")
        m.once(*held, state="done")
        for unit in held:
            expect(f"ends of {unit}", m.ended(unit), 1)
    with check("kill -9: `first` is not forgotten, and the others see a new false to true"):
        audio_out(m, "snd1")
        m.wait("no sound card")
        audio_in(m, "snd2")
        m.wait("sound card")
        m.until("grep -c '/slow ' /var/log/ends | grep -q -v '^[01]$'")
        expect("calls of slow", len(m.started("slow")), 2)
        m.once("first-sound", state="done")
    with check("kill -9: what ended while nobody watched is not run again, nor by a card that came meanwhile"):
        fresh()
        m.kill(9)
        m.must("rm /tmp/hold/*")
        m.until("grep -q '/slow ' /var/log/ends && grep -q '/first-sound ' /var/log/ends")
        audio_in(m, "snd2")
        m.until("test -e /sys/class/sound/card1")
        m.launch()
        m.complete()
        m.once(*held, state="done")
        m.once("sound")
        m.wait("exactly 2 sound cards")
        for card in ("snd1", "snd2"):
            m.guest.unplug(card)
        m.wait("no sound card")
        audio_in(m, "snd1")
        m.wait("sound card")
        m.once("first-sound", state="done")
    # Killed around the start itself, where the intent, the process and its mark are a few ms apart.
    units = [*held, "sound", "alsa", "cores", "powernowd"]
    for delay in ("before it", 0, .005, .01, .02, .04, .08):
        name = delay if isinstance(delay, str) else f"{1000 * delay:.0f} ms after it"
        with check(f"kill -9 at the start, {name}: each script once") as notes:
            m.forget()
            word = "in force" if isinstance(delay, str) else "starting"
            m.launch(f"until grep -q '{word}' $log; do :; done")
            m.must(f"sleep {delay if not isinstance(delay, str) else 0}; kill -9 $pid; wait $pid; true")
            before = sum(len(m.started(script)) for _, script in named(units))
            m.launch()
            m.complete()
            m.once(*held, "powernowd", state="done")
            m.once("sound", "cores")
            m.once("alsa", state="waiting")
            notes.append(f"{before} of {len(units)} had begun")


# ---- the run -----------------------------------------------------------------

GROUPS = {"login": login, "walk": walk, "kinds": kinds}


def stripped(build, into):
    """The programs without what is for debuggers, which would double the time to boot."""
    programs = {}
    for name in ("devmux", "devmuxd"):
        built = build / "tools" / name
        if not built.exists():
            raise vm.GuestError(f"{built} is missing: build first, or name the build directory with --build DIR")
        copy = into / name
        if not shutil.which("strip") or subprocess.run(["strip", "-o", copy, built]).returncode:
            shutil.copy2(built, copy)
        programs[f"/usr/bin/{name}"] = copy
    return programs


def main():
    parser = argparse.ArgumentParser(description="Shows in QEMU guests that devmux starts what it should, once.")
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build", help="build directory (%(default)s)")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"all, or some of: {' '.join(GROUPS)}")
    options = parser.parse_args()
    if unknown := set(options.groups) - GROUPS.keys():
        parser.error(f"no such group: {' '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))      # with no guest left behind
    os.umask(0o022)         # devmux reads no file that others may write
    began, report = time.monotonic(), Report()
    with tempfile.TemporaryDirectory(prefix="devmux-acceptance-") as tmp:
        try:
            programs = stripped(options.build, pathlib.Path(tmp))
        except vm.GuestError as e:
            sys.exit(str(e))
        for name in options.groups or GROUPS:
            with contextlib.suppress(GroupOver), report.check(f"{name}: all checks were made"):
                GROUPS[name](report, programs)
    print(f"      {time.monotonic() - began:.0f} s")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
