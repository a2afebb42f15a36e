"""devmux in the boot of a real Debian with sysvinit: its place in the order, runlevels, the end of the machine."""
import re
import subprocess

import debian
import vm
from machine import LONG, SETUP, SOURCE, DebianMachine, expect

CHECKS = 7

# A script of the machine's, or a unit's command: what it was called with is in /run/marks and on the console.
MARK = """#!/bin/sh
{header}echo "MARK {name} $1 ${{runlevel:-${{RUNLEVEL:-none}}}} ${{DEVMUX_UNIT:-init}}" | tee -a /run/marks >/dev/console
"""
HEADER = """### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    {needs}
# Required-Stop:     $remote_fs
# Default-Start:     {starts}
# Default-Stop:      0 1 6
### END INIT INFO
"""
ALWAYS = "when: not file /no exists\n"
UNITS = {
    # A script that init has no links of: it waits for a runlevel, and nobody else stops it.
    "late": ALWAYS + "init-script: late\nrequires: base\n",
    # One that init has links of, with the sound card as its condition.
    "alsa": "when: sound card present\ninit-script: alsa-utils\n",
    "base": ALWAYS + "command: {start: [/usr/local/sbin/mark-base, start], stop: [/usr/local/sbin/mark-base, stop]}\n",
    "top": ALWAYS + "requires: late\n"
           "command: {start: [/usr/local/sbin/mark-top, start], stop: [/usr/local/sbin/mark-top, stop]}\n",
    "hangs": ALWAYS + "timeout: {shutdown: 3s, then: kill}\n"
             "command: {start: [/bin/true], stop: [/bin/sleep, '1000']}\n",
    "serves": ALWAYS + "daemon: [/usr/local/sbin/serves]\n",
}
SERVES = """#!/bin/sh
trap 'echo "MARK serves ends" >/dev/console; exit 0' TERM
while :; do sleep 0.2; done
"""
# Before init: links by Debian's own tool. What the script of alsa-utils does is told by the tool that it calls.
BEFORE_INIT = """#!/bin/sh
exec >/var/log/before-init 2>&1
update-rc.d devmux defaults
update-rc.d alsa-utils defaults
mv /usr/sbin/alsactl /usr/sbin/alsactl.real
cat >/usr/sbin/alsactl <<'END'
#!/bin/sh
echo "MARK alsactl $* ${DEVMUX_UNIT:-init}" >>/run/marks
exec /usr/sbin/alsactl.real "$@"
END
chmod 755 /usr/sbin/alsactl
mkdir -p /var/lib/alsa; : >/var/lib/alsa/asound.state
"""


def files():
    script = (SOURCE / "tools/boot/sysvinit/devmux.in").read_text()
    script = script.replace("@SBINDIR@", "/usr/bin").replace("@BINDIR@", "/usr/bin")
    mark = lambda name, header="": MARK.format(name=name, header=header).encode()  # noqa: E731
    units = "/etc/devmux/units.d"
    classes = SOURCE / "units.d/classes.d"
    return {
        "/etc/init.d/devmux": script.encode(),
        # Of tenths of a second, and of seconds: a busy host is no reason to give up.
        "/etc/default/devmux": f"START_PATIENCE={10 * LONG}\nSHUTDOWN_PATIENCE={LONG}s\n".encode(),
        "/etc/init.d/late": mark("late", HEADER.format(name="late", needs="$remote_fs", starts="2 3 4 5")),
        "/usr/local/sbin/mark-base": mark("base"), "/usr/local/sbin/mark-top": mark("top"),
        "/usr/local/sbin/serves": SERVES.encode(), "/usr/local/sbin/before-init": BEFORE_INIT.encode(),
        **{f"{units}/classes.d/{p.name}": p.read_bytes() for p in classes.glob("*.yaml")},
        **{f"{units}/{name}.yaml": text.encode() for name, text in UNITS.items()}}


class BootedMachine(DebianMachine):
    """A Debian whose own boot starts the daemon."""

    def power_on(self, programs, boot, **kw):
        return debian.DebianGuest(programs=programs, files=self.made_of(), **kw)

    def scene_of(self, boot):
        return f"{SETUP}{boot}\nln -s devmux.log /var/log/devmuxd.boot\n"

    def made_of(self):
        return files()

    def go_down(self):
        """Ends the machine, by init; returns all that was on its console."""
        self.guest.sh("(sleep 0.2; telinit 6) </dev/null >/dev/null 2>&1 &")
        try:
            self.guest.proc.wait(LONG)
        except subprocess.TimeoutExpired:
            raise vm.GuestTimeout(f"the machine has not ended after {LONG} s") from None
        return self.guest.log.read_text(errors="replace")

    def marks(self, name):
        return [line.split()[2:] for line in self.must("cat /run/marks").splitlines() if line.split()[1] == name]


def run(report, programs):
    with BootedMachine(programs, "xhci_pci snd_usb_audio", [*vm.USB, "-audiodev", "none,id=snd"], flavour="sysvinit-boot") as m:
        def check(name):
            return report.check(f"sysvinit: {name}", m)

        order(m, check)
        booted(m, check)
        runlevels(m, check)
        the_end(m, check)


def order(m, check):
    with check("insserv puts it behind udev and the local file systems, in front of network file systems") as notes:
        place = {name: int(number) for number, name in
                 re.findall(r"S(\d\d)(\S+)", m.must("ls /etc/rcS.d"))}
        notes.append(" ".join(f"{n} {place[n]}" for n in ("udev", "mountall.sh", "devmux", "mountnfs.sh", "alsa-utils")))
        for before, after in (("udev", "devmux"), ("mountall.sh", "devmux"), ("devmux", "mountnfs.sh"),
                              ("devmux", "alsa-utils")):
            if place[before] >= place[after]:
                raise AssertionError(f"{before} is not in front of {after}: {place}")
        said = m.must("cat /var/log/before-init")
        expect("complaints of insserv", [line for line in said.splitlines() if "insserv" in line], [])
        for level in "06":
            stops = {name: int(number) for number, name in re.findall(r"K(\d\d)(\S+)", m.must(f"ls /etc/rc{level}.d"))}
            if stops["devmux"] >= stops["sendsigs"]:
                raise AssertionError(f"sendsigs is not behind devmux: {stops}")


def booted(m, check):
    with check("the boot has started it, and it was ready before the next script"):
        m.must("/etc/init.d/devmux status && devmux status")
        expect("the daemon's parent", m.must("cut -d' ' -f4 /proc/$(cat /run/devmux.pid)/stat"), "1")
        m.must("grep -q 'coldplug is complete' /var/log/devmux.log")
        expect("runlevel", m.devmux("status")["runlevel"], "2")
    with check("a script of runlevel 2 waited for that; one without a sound card was not started"):
        m.until("grep -q 'MARK late start' /run/marks")
        m.until_state("top", "active")
        expect("calls of late", m.marks("late"), [["start", "none", "late"]])      # "none": not by rc
        m.must("grep -q 'late: waits for a runlevel of 2 3 4 5 (it is not known yet)' /var/log/devmux.log")
        expect("missing for alsa", m.missing("alsa"), ["sound card"])
    with check("the real script of alsa-utils runs when the card comes, once"):
        m.guest.plug("usb-audio", "card", bus="usb.0", audiodev="snd")
        m.until("grep -q 'MARK alsactl .* alsa$' /run/marks")
        expect("alsa is", m.at_rest("alsa")["state"], "active")
        expect("starts", m.devmux("status", "alsa")["starts"], 1)
    with check("`stop` leaves everything running, `start` takes it over, `restart` as well"):
        pid = m.devmux("status", "serves")["pid"]
        before = m.must("cat /run/marks")
        m.must("/etc/init.d/devmux stop && ! devmux status && ! test -e /run/devmux.pid")
        m.must(f"test -d /proc/{pid}")
        m.must("/etc/init.d/devmux start && devmux status && /etc/init.d/devmux restart")
        m.until("devmux --json status | grep -q '\"coldplug_complete\":true'")
        expect("the process of serves", m.devmux("status", "serves")["pid"], pid)
        expect("what was called", m.must("cat /run/marks"), before)


def runlevels(m, check):
    with check("init stops alsa-utils in runlevel 1, by its links; it comes back in 3"):
        m.must("update-rc.d -f alsa-utils remove; ln -s ../init.d/alsa-utils /etc/rc3.d/S90alsa-utils\n"
               "ln -s ../init.d/alsa-utils /etc/rc4.d/K90alsa-utils; devmux reload")
        m.must("telinit 4")
        m.until("devmux status alsa | grep -q 'waits for a runlevel of 3 (it is 4)'")
        m.must("telinit 3")
        m.until_state("alsa", "active")
        expect("runlevel", m.devmux("status")["runlevel"], "3")


def the_end(m, check):
    with check("at the end it stops what init does not, in order, before init kills all others") as notes:
        console = m.go_down()
        last = console[console.rindex("MARK top stop"):]
        found = re.findall(r"MARK (\S+) (stop|ends)|(remaining processes to terminate)", last)
        names = [name or "sendsigs" for name, _, killed in found]
        expect("order of stops", [n for n in names if n in ("top", "late", "base", "sendsigs")][:4],
               ["top", "late", "base", "sendsigs"])
        if "MARK serves ends" not in console[:console.rindex("remaining processes")]:
            raise AssertionError("serves was left to sendsigs")
        notes.append(" ".join(names))
