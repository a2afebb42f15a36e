"""Debian's own init scripts with the guard's line in them, in the boots of a Debian with sysvinit.

Boot and devmux never both start one: with the daemon there before the script, while it runs, and after it;
and where there is no devmux, the boot is as it was."""
import vm
from groups.sysvinit import BootedMachine
from groups.sysvinit import files as boot_files
from machine import expect

CHECKS = 8

UNITS = {
    "alsa": "when: sound card present\ninit-script: alsa-utils\n",
    # With ASYNCMOUNTNFS=no it mounts by itself; as boot runs it, it waits for what others mount.
    "mountnfs": "when: file /run/network exists\ninit-script: mountnfs.sh\ntask: true\nenvironment: {ASYNCMOUNTNFS: \"no\"}\n",
}
# The packager's line, and one that tells who came behind it. Then the boot can be held in front of both.
GUARD = """guard() {
    cat >/tmp/lines <<END
devmux guard $1 "\\$1" || [ \\$? -ne 77 ] || exit 0
echo "MARK $1 \\$1 \\${DEVMUX_UNIT:-init}" | tee -a /run/marks >/dev/console
END
    sed -i '/^### END INIT INFO/r /tmp/lines' /etc/init.d/$2
}
"""
BEFORE_INIT = f"""#!/bin/sh
exec >/var/log/before-init 2>&1
{GUARD}
guard alsa alsa-utils
guard mountnfs mountnfs.sh
echo '192.0.2.1:/srv /var/nfs nfs vers=4.1,nolock,retry=0 0 0' >>/etc/fstab
mkdir -p /var/nfs /var/lib/alsa
: >/var/lib/alsa/asound.state
update-rc.d alsa-utils defaults
update-rc.d hold defaults
"""
HOLD = """#!/bin/sh
### BEGIN INIT INFO
# Provides:          hold
# Required-Start:    $local_fs
# Required-Stop:
# Should-Start:      udev
# X-Start-Before:    mountnfs devmux
# Default-Start:     S
# Default-Stop:
### END INIT INFO
[ "$1" != start ] || exec /usr/local/sbin/hold-boot
"""
CARD = "usb-audio,id=card,bus=usb.0,audiodev=snd"


def files(before_init):
    units = "/etc/devmux/units.d"
    ours = {path: data for path, data in boot_files().items()
            if not path.startswith(units) or "/classes.d/" in path}
    return ours | {"/usr/local/sbin/before-init": (BEFORE_INIT + before_init).encode(), "/etc/init.d/hold": HOLD.encode(),
                   **{f"{units}/{name}.yaml": text.encode() for name, text in UNITS.items()}}


class GuardedMachine(BootedMachine):
    def __init__(self, programs, before_init, card=False, **kw):
        self.files = files(before_init)
        args = [*vm.USB, "-audiodev", "none,id=snd", *(["-device", CARD] if card else [])]
        super().__init__(programs, "xhci_pci snd_usb_audio", args, flavour="sysvinit-boot", **kw)

    def made_of(self):
        return self.files

    def calls(self, name):
        """(action, who) of each time that a script came behind its guard."""
        found = self.must("cat /run/marks 2>/dev/null; true").splitlines()
        return [tuple(line.split()[2:]) for line in found if line.split()[1] == name]


def run(report, programs):
    def check(machine, name):
        return report.check(f"guard: {name}", machine)

    with GuardedMachine(programs, "update-rc.d devmux defaults\n") as m:
        before(m, check)
        by_hand(m, check)
        the_end(m, check)
    with GuardedMachine(programs, "touch /run/network\n", held=True) as m:
        during_and_after(m, check)
    # Nobody mounts what its mountnfs.sh would wait for.
    with GuardedMachine({}, "update-rc.d devmux defaults\nsed -i /nfs/d /etc/fstab\n", card=True) as m:
        without(m, check)


def before(m, check):
    with check(m, "the daemon is there first: boot leaves both to devmux"):
        expect("calls", (m.calls("alsa"), m.calls("mountnfs")), ([], []))
        for unit in UNITS:
            m.must(f"grep -q '{unit}: its init script was told to leave it to devmux' /var/log/devmux.log")
            expect(f"{unit} is", m.status(unit)["state"], "waiting")
    with check(m, "then devmux runs each, once, when what it waits for comes"):
        m.guest.plug("usb-audio", "card", bus="usb.0", audiodev="snd")
        m.until_state("alsa", "active")
        m.must("touch /run/network")
        m.until_state("mountnfs", "done")
        expect("calls", (m.calls("alsa"), m.calls("mountnfs")), ([("start", "alsa")], [("start", "mountnfs")]))


def by_hand(m, check):
    with check(m, "stopped by its script, it is held; started by its script, devmux does it"):
        m.must("/etc/init.d/alsa-utils stop")
        found = m.status("alsa")
        expect("alsa, asked by", (found["state"], found["hold"], found["asked_by"]), ("waiting", "down", "a person"))
        said = m.must("/etc/init.d/alsa-utils start 2>&1")
        if "devmux: alsa: started" not in said:
            raise AssertionError(f"the script says {said!r}")
        expect("alsa is", m.status("alsa")["state"], "active")
        m.must("/etc/init.d/mountnfs.sh start")
        expect("calls", (m.calls("alsa"), m.calls("mountnfs")),
               ([("start", "alsa"), ("stop", "init"), ("start", "alsa")], [("start", "mountnfs")] * 2))


def the_end(m, check):
    with check(m, "at the end the script is stopped, once, by init, whose links stop it"):
        console = m.go_down()
        last = console[console.rindex("MARK mountnfs start mountnfs"):]
        expect("stops", [line.split()[1:] for line in last.splitlines() if line.startswith("MARK alsa")], [["alsa", "stop", "init"]])


def during_and_after(m, check):
    with check(m, "the daemon comes while boot's script runs: it counts as the unit's start, and is watched"):
        m.guest.go_on(wait=0)
        m.until("grep -q 'MARK mountnfs start init' /run/marks")
        m.launch()
        m.complete()
        found = m.status("mountnfs")
        expect("mountnfs, asked by", (found["state"], found["asked_by"]), ("starting", "the boot sequence"))
        expect("calls", m.calls("mountnfs"), [("start", "init")])
    with check(m, "the daemon is killed; the scripts go on without it, and boot comes to its end"):
        m.kill()
        m.guest.plug("usb-audio", "card", bus="usb.0", audiodev="snd")
        m.until("test -e /proc/asound/card0")
        m.must("mount -t tmpfs none /var/nfs")
        m.guest.complete()
        expect("calls of alsa", m.calls("alsa"), [("start", "init")])
    with check(m, "the daemon comes after the scripts: what boot has started is started, and not once more"):
        m.launch()
        m.complete()
        m.wait("sound card present")
        for unit, state in (("alsa", "active"), ("mountnfs", "done")):
            found = m.at_rest(unit)
            expect(f"{unit}, asked by", (found["state"], found["asked_by"]), (state, "the boot sequence"))
        expect("calls", (m.calls("alsa"), m.calls("mountnfs")), ([("start", "init")], [("start", "init")]))


def without(m, check):
    with check(m, "without devmuxd and without devmux the boot is as it was"):
        expect("calls", (m.calls("alsa"), m.calls("mountnfs")), ([("start", "init")], [("start", "init")]))
        m.must("! command -v devmux")
        m.must("/etc/init.d/alsa-utils stop && /etc/init.d/alsa-utils start")
        expect("calls by hand", m.calls("alsa")[1:], [("stop", "init"), ("start", "init")])
