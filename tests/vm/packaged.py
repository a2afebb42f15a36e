"""Guests with the packages that the shipped units are for, with either init."""
import vm
from groups.sysvinit import BootedMachine
from groups.sysvinit import files as boot_files
from machine import SOURCE
from servers import SERVER, net

MODULES = "xhci_pci usbhid hid_generic evdev snd_usb_audio bochs virtio_net af_packet hci_vhci 9p 9pnet_virtio"
MAC = "52:54:00:00:00:0{}"          # of network card n, whose name is to be lan<n>
BORN = "2020-02-02T02:02:02"        # what the guests' clocks say at their start

# What changes in the packages by devmux.units(7), and a line that tells who came behind the guard's.
BEFORE_INIT = """#!/bin/sh
exec >/var/log/before-init 2>&1
guard() {
    cat >/tmp/lines <<END
devmux guard $1 "\\$1" || [ \\$? -ne 77 ] || exit 0
echo "MARK $1 \\$1" >>/run/marks
END
    sed -i '/^### END INIT INFO/r /tmp/lines' /etc/init.d/$2
}
guard alsa alsa-utils
guard bluez bluetooth
guard fetchmail fetchmail
guard gdm xdm
guard mountnfs mountnfs.sh
guard powernowd cpufrequtils
# udev would rename cards and restore mixers by itself, and nothing could be told from that.
for rule in 19-ifrename 90-alsa-restore; do ln -s /dev/null /etc/udev/rules.d/$rule.rules; done
sed -i 's/^START_DAEMON=.*/START_DAEMON=yes/' /etc/default/fetchmail
echo 'share /srv/share 9p trans=virtio,version=9p2000.L,nofail,_netdev 0 0' >>/etc/fstab
echo 'ASYNCMOUNTNFS=no' >>/etc/default/rcS
# Each rename of one card is noted, which a look (-D) and the boot sequence's own are not.
mv /usr/sbin/ifrename /usr/sbin/ifrename.real
cat >/usr/sbin/ifrename <<'END'
#!/bin/sh
case " $* " in *" -D "*) ;; *" -i "*) echo "MARK ifrename start" >>/run/marks ;; esac
exec /usr/sbin/ifrename.real "$@"
END
chmod 755 /usr/sbin/ifrename
mkdir /srv/share
"""
SYSVINIT = "update-rc.d devmux defaults\n"
# A Debian with systemd has no mountnfs.sh. Its alsa-restore.service restores mixers as well.
SYSTEMD = """ln -sf /lib/systemd/systemd /usr/sbin/init
rm /etc/init.d/mountnfs.sh
ln -s /dev/null /etc/systemd/system/alsa-restore.service
"""

# The drop-in that devmux(1) has for services of systemd. Those made of init scripts need it as well: a script that
# goes by its line would count as started.
DROP_IN = """[Unit]
After=devmuxd.service
[Service]
ExecCondition=/bin/sh -c 'devmux guard {unit} start || [ $$? -ne 77 ]'
"""
MARK = """[Service]
ExecStartPre=+/bin/sh -c 'echo "MARK {unit} start" >>/run/marks'
"""
OWNED = {"bluetooth": "bluez", "xdm": "gdm"}
OWNED_SCRIPTS = {"fetchmail": "fetchmail", "cpufrequtils": "powernowd"}


# A volume that no card has when it is new, for each of two cards.
VOLUMES = {"Audio": 99, "Audio_1": 77}
MIXER = """state.%s {
	control.3 {
		iface MIXER
		name 'Audio Output Volume Control Playback Volume'
		value.0 %d
		value.1 %d
	}
}
"""


def files():
    units = "/etc/devmux/units.d"
    ours = {path: data for path, data in boot_files().items() if path in ("/etc/init.d/devmux", "/etc/default/devmux")}
    shipped = {f"{units}/{p.relative_to(SOURCE / 'units.d')}": p.read_bytes()
               for p in (SOURCE / "units.d").rglob("*.yaml")}
    return ours | shipped | {
        # These machines settle long before their mouse comes.
        f"{units}/gdm.yaml.d/rests.yaml": b"if-never: skip\n",
        "/etc/iftab": "".join(f"lan{n} mac {MAC.format(n)}\n" for n in (1, 2)).encode(),
        "/var/lib/alsa/asound.state": "".join(MIXER % (card, n, n) for card, n in VOLUMES.items()).encode(),
        "/etc/fetchmailrc": f"set daemon 5\nset no syslog\npoll {MAIL} protocol POP3 timeout 10 user u password p\n".encode(),
        "/etc/default/ntpsec-ntpdate": f"NTPSERVERS={SERVER}\nNTPOPTIONS='-t 60'\necho 'MARK ntpdate start' >>/run/marks\n".encode()}


# A POP3 server with nothing for anybody. QEMU runs it for each call of port 110 of MAIL.
MAIL = "10.0.2.100"
POP3 = """#!/bin/sh
echo "a call" >>"$0.calls"
printf '+OK nothing here\\r\\n'
while read -r verb rest; do
    case $verb in
        CAPA*) printf '%s\\r\\n' '-ERR what?' ;;
        STAT*) printf '+OK 0 0\\r\\n' ;;
        *) printf '+OK\\r\\n' ;;
    esac
    case $verb in QUIT*) exit ;; esac
done
"""


# ---- the guests ----------------------------------------------------------------

class Sysvinit(BootedMachine):
    init = "sysvinit"
    mounts, mounter = 1, "mountnfs"             # starts of mountnfs.sh, and the unit that mounts
    log_of_powernowd = "devmux log powernowd"

    def __init__(self, programs, server, folder):
        self._mail = folder / "pop3"
        self._mail.write_text(POP3)
        self._mail.chmod(0o755)
        self.files = self.extra() | files()
        lan1, lan2 = net(1), net(2)
        lan1[-1] += f",guestfwd=tcp:{MAIL}:110-cmd:{self._mail}"
        args = [*vm.USB, *vm.pci_ports(3), "-device", "pcie-root-port,id=screens,chassis=9,slot=9,pref32-reserve=32M",
                "-audiodev", "none,id=snd", "-rtc", f"base={BORN}",
                "-fsdev", f"local,id=share,path={SOURCE / 'units.d'},security_model=none,readonly=on",
                *lan1, *lan2]
        super().__init__(programs, MODULES, args, flavour="packages", append="net.ifnames=0", within=server.within)

    def extra(self):
        return {"/usr/local/sbin/before-init": (BEFORE_INIT + SYSVINIT).encode()}

    def made_of(self):
        return self.files

    def mail_calls(self):
        """How often the mail server was called."""
        calls = self._mail.with_suffix(".calls")
        return len(calls.read_text().splitlines()) if calls.exists() else 0

    def starts(self, unit):
        """How often what a unit starts was started, by whoever."""
        return self.must("cat /run/marks 2>/dev/null; true").splitlines().count(f"MARK {unit} start")

    def pid(self, program):
        """The first process of a program, or nothing."""
        return self.must(f"pgrep -o -x {program} || true")

    def pids(self, *programs):
        """All processes of some programs."""
        return {program: self.must(f"pgrep -x {program} || true").split() for program in programs}

    def all_done(self, unit, n):
        """Waits until all instances of a unit, which are `n`, have done their work."""
        self.until(f"devmux --json status {unit} | grep -Eq '\"remark\":\"{n} instances?: {n} done'")


class Systemd(Sysvinit):
    init = "systemd"
    mounts, mounter = 0, "remote-fs"            # it has remote-fs.target for that
    log_of_powernowd = "journalctl --sync; journalctl -b -o cat -u cpufrequtils | grep Setting"

    def extra(self):
        etc, service = "/etc/systemd/system", (SOURCE / "tools/boot/systemd/devmuxd.service.in").read_text()
        return {"/usr/local/sbin/before-init": (BEFORE_INIT + SYSTEMD).encode(),
                f"{etc}/devmuxd.service": service.replace("@sbindir@", "/usr/bin").encode(),
                f"{etc}/multi-user.target.d/devmux.conf": b"[Unit]\nWants=devmuxd.service\n",
                **{f"{etc}/{service}.service.d/devmux.conf": DROP_IN.format(unit=unit).encode()
                   for service, unit in (OWNED | OWNED_SCRIPTS).items()},
                **{f"{etc}/{service}.service.d/mark.conf": MARK.format(unit=unit).encode()
                   for service, unit in OWNED.items()}}

    EVIDENCE = Sysvinit.EVIDENCE + "echo '--- journal'; journalctl -b -o cat -t devmuxd | tail -n 60\n"
