"""A guest with devmux in it, as the groups of the acceptance test use it."""
import dataclasses
import json
import pathlib
import re
import shlex
import time

import debian
import vm

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LONG = vm.LONG

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


def scene():
    """The files of every guest: units, and stubs of what they start."""
    shipped, units = SOURCE / "units.d", "/etc/devmux/units.d"
    files = {f"{units}/{p.relative_to(shipped)}": p.read_bytes() for p in shipped.rglob("*.yaml")}
    # These machines settle long before their mouse comes.
    files[f"{units}/gdm.yaml.d/rests.yaml"] = b"if-never: skip\n"
    for name, text in UNITS.items():
        files[f"{units}/{name}.yaml"] = f"description: of the test\n{text}\ninit-script: {name}\n".encode()
    files |= {f"/etc/init.d/{name}": STUB for name in SCRIPTS} | {f"/usr/sbin/{name}": STUB for name in COMMANDS}
    # It is read by another script, with that one's name.
    alsa = STUB.replace(b"${0##*/}", b"alsa-utils").replace(b"$0", b"/etc/init.d/alsa-utils")
    return files | {"/etc/init.d/alsa-utils": alsa}


class Machine:
    """A guest with devmux in it."""

    def __init__(self, programs, modules, args, boot="", append="", ready=LONG, **kw):
        began = time.monotonic()
        self.guest = self.power_on(programs, boot, modules=modules.split(), args=args, append=f"printk.devkmsg=on {append}",
                                   ready=ready, **kw)
        try:
            self.must(self.scene_of(boot) + "export NO_COLOR=1")
        except BaseException:
            self.guest.close()
            raise
        print(f"      the guest is up after {time.monotonic() - began:.1f} s", flush=True)
        self.lives = 0             # daemons so far; each has its own log

    def power_on(self, programs, boot, **kw):
        """A guest that has run `boot` before it is ready.  There is no udev in it."""
        files = scene() | vm.with_libs(programs) | {"/payload/init": (SETUP + boot).encode(), "/usr/sbin/alsactl": STUB}
        return vm.Guest(files=files, **kw)

    def scene_of(self, boot):
        """Shell text that the guest runs when it is ready."""
        return ""

    def __enter__(self):
        return self

    def __exit__(self, kind, *exc):
        """The end of the guest; of one that was given up (see report.py) its group goes on with the next."""
        self.guest.close()
        return kind is not None and issubclass(kind, vm.GivenUp)

    def must(self, cmd):
        return self.guest.must(cmd)

    def until(self, cmd):
        return self.guest.until(cmd, every=0.05)

    # the daemon

    @property
    def log(self):
        return f"/var/log/devmuxd.{self.lives}"

    def launch(self, then="", args=""):
        """Starts the daemon, and runs shell text right behind it; $pid is the daemon, $log what it says."""
        self.lives += 1
        self.must(f"log={self.log}; >$log; devmuxd {args} </dev/null >$log 2>&1 & pid=$!\n{then}")

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
        status, text = self.guest.sh(f"devmux wait --timeout {LONG}s {shlex.quote(condition)}", timeout=LONG + 60)
        if status:
            raise (vm.GuestTimeout if status == 124 else vm.GuestError)(f"devmux wait {condition!r}: exit {status}: {text}")

    def status(self, unit):
        """What is known of a unit, also of one that has failed, of which the exit status tells."""
        return json.loads(self.must(f"devmux --json status {unit} || true"))

    def until_state(self, unit, *states):
        """Waits until a unit is in one of these states; returns its status."""
        end = time.monotonic() + LONG
        while (found := self.status(unit))["state"] not in states:
            if time.monotonic() > end:
                raise vm.GuestTimeout(f"{unit} is {found['state']} after {LONG} s, not {' or '.join(states)}")
            time.sleep(0.05)
        return found

    def truth(self, condition):
        """What a condition is now: "true", "false" or "unknown"."""
        return json.loads(self.must(f"devmux --json eval {shlex.quote(condition)} || true"))["truth"]

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
        while (found := self.status(unit))["state"] in ("starting", "stopping"):
            if time.monotonic() > end:
                raise vm.GuestTimeout(f"{unit} is {found['state']} for {LONG} s")
            time.sleep(0.05)
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

    EVIDENCE = ("for f in /var/log/devmuxd.* /var/log/starts; do echo \"--- $f\"; tail -n 60 $f; done\n"
                "echo '--- devmux status'; devmux status; echo '--- kernel'; dmesg | tail -n 30\n")

    def evidence(self):
        """All that may explain a failure, and whether the guest still answers."""
        text = f"--- console\n{self.guest.log.read_text(errors='replace')[-2000:]}\n"
        try:
            return text + self.guest.sh(self.EVIDENCE, timeout=120)[1], True
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


class DebianMachine(Machine):
    """A guest that is a whole Debian, with udev in it, and devmux."""

    def power_on(self, programs, boot, files=None, **kw):
        return debian.DebianGuest(programs=programs, files=scene() | (files or {}), **kw)

    def scene_of(self, boot):
        return f"{SETUP}{boot}\n"

    def all_heard(self):
        """Waits until the daemon knows all that the kernel and udev have said so far: of what comes behind that, it
        waits for udev's word. Needs the module dummy."""
        self.must("ip link add heard type dummy")
        self.wait('network interface[name = "heard"]')
        self.must("ip link del heard")
        self.wait('no network interface[name = "heard"]')

    def recorded(self, path):
        """Waits until udev's database has a record of a device; returns its properties.

        The record may be empty: udev writes one for each device with a node or an interface.
        """
        name = self.must(f"device=$(readlink -f {path}) && cd $device && if test -e dev; then case $device in\n"
                         "    */block/*) echo b$(cat dev);; *) echo c$(cat dev);; esac\n"
                         "elif test -e ifindex; then echo n$(cat ifindex)\n"
                         "else echo +$(basename $(readlink -f subsystem)):${device##*/}; fi; cd /")
        self.until(f"test -e /run/udev/data/{name}")
        return dict(line.split("=", 1) for line in self.must(f"udevadm info -q property -p {path}").splitlines())


def named(units):
    """(unit, its script): they have the same name but for the shipped ones."""
    scripts = {"gdm": "gdm3", "alsa": "alsa-utils", "alsa@card0": "alsa-utils", "powernowd": "cpufrequtils", "ntpdate": "ntpdate-debian"}
    return [(unit, scripts.get(unit, unit)) for unit in units]


def kernel_log(text):
    """(seconds, text) of each line of dmesg."""
    return [(float(m[1]), m[2]) for m in re.finditer(r"^\[ *([\d.]+)\] (.*)$", text, re.M)]
