#!/usr/bin/env python3
"""Boots a Debian with and without devmux, and puts both side by side.

    boots.py [--build DIR] [--boots N]

The guest is the whole boot of a Debian with sysvinit, with a sound card, an interface that a script brings
up, and a share in its fstab that nfs-ganesha on this machine serves. Every script of boot tells when it begins and ends.
With devmux, alsa-utils and mountnfs.sh have the guard's line, and boot leaves them to it; without, there is no devmux.

Checked: the same scripts ran, none twice, and the same processes are there in the end. Printed: how long it took,
of N boots each in turn, so that what else this machine does hits both. Seconds are those of the guest; beside them
what QEMU took of a processor, which a busy machine changes less.

Needed on the host: what debian.py and servers.py need. The exit status is 1 if the boots were not alike.
"""
import argparse
import os
import pathlib
import re
import statistics
import sys
import tempfile

import debian
import vm
from acceptance import stripped
from groups.guard import CARD
from groups.sysvinit import BootedMachine
from groups.sysvinit import files as boot_files
from machine import SOURCE
from servers import ADDRESS, SERVER, net, nfs_server

SHARE = "/mnt/share"
GUARDED = {"alsa-utils": "alsa", "mountnfs.sh": "mountnfs"}
# In each script: the guard, and behind it when it begins and ends.
BEFORE_INIT = f"""#!/bin/sh
exec >/var/log/before-init 2>&1
mkdir -p /srv/share {SHARE} /var/lib/alsa
: >/var/lib/alsa/asound.state
echo ASYNCMOUNTNFS=no >>/etc/default/rcS
chmod 755 /etc/init.d/networking
update-rc.d networking defaults
update-rc.d alsa-utils defaults
[ ! -e /etc/init.d/devmux ] || update-rc.d devmux defaults
for link in /etc/rcS.d/S* /etc/rc2.d/S*; do
    script=$(readlink -f "$link"); name=${{script##*/}}
    [ "$name" != devmux ] || continue
    case $name in {''.join(f'{script}) unit={unit};; ' for script, unit in GUARDED.items())}*) unit=;; esac
    {{
        [ -z "$unit" ] || echo "devmux guard $unit \\"\\$1\\" || [ \\$? -ne 77 ] || exit 0"
        echo ". /usr/local/sbin/marks; mark BEGINS $name \\"\\$1\\"; trap 'mark ENDS $name' EXIT"
    }} >/tmp/lines
    sed -i '/^### END INIT INFO/r /tmp/lines' "$script"
done
"""
MARKS = b"""mark() {
    read -r uptime rest </proc/uptime
    echo "$1 $2 ${3:--} $uptime ${DEVMUX_UNIT:-init}" >>/run/marks
}
"""
NETWORKING = f"""#!/bin/sh
### BEGIN INIT INFO
# Provides:          networking
# Required-Start:    mountkernfs $local_fs
# Required-Stop:     $local_fs
# Should-Start:      udev
# Default-Start:     S
# Default-Stop:      0 6
### END INIT INFO
[ "$1" = start ] || exit 0
ip address add {ADDRESS} dev eth0
ip link set eth0 up
ip route add default via {SERVER}
"""
INITTAB = debian.INITTAB.replace("echo BOOT-COMPLETE", "read -r up rest </proc/uptime; echo BOOT-COMPLETE $up")


class Boot(BootedMachine):
    """One boot, from power on until all is there that should be."""

    def __init__(self, programs, server):
        self.with_devmux = bool(programs)
        self.server = server
        args = [*vm.USB, "-audiodev", "none,id=snd", "-device", CARD, *net(1),
                "-device", "virtio-net-pci,netdev=lan1,romfile="]
        super().__init__(programs, "xhci_pci snd_usb_audio virtio_net nfsv4", args, append="net.ifnames=0",
                         flavour="sysvinit-boot", ready=600)
        self.complete_at = float(re.search(r"BOOT-COMPLETE ([\d.]+)", self.guest.log.read_text(errors="replace"))[1])
        for script in GUARDED:
            self.until(f"grep -q 'ENDS {script} ' /run/marks")
        self.cpu = cpu_seconds(self.guest.proc.pid)
        found = [line.split() for line in self.must("cat /run/marks").splitlines()]
        self.scripts = sorted((name, verb) for what, name, verb, _, _ in found if what == "BEGINS")
        self.by_devmux = sorted(name for what, name, _, _, who in found if what == "BEGINS" and who != "init")
        self.last_at = max(float(at) for what, _, _, at, _ in found if what == "ENDS")
        self.processes = sorted({line for line in self.must("ps --ppid 2 -p 2 --deselect -o comm=").splitlines()}
                                - {"devmuxd", "ps", "sh"})
        self.must(f"grep -q ' {SHARE} nfs4 ' /proc/mounts && test -e /proc/asound/card0")

    def made_of(self):
        units = "/etc/devmux/units.d"
        ours = {path: data for path, data in boot_files().items()
                if not path.startswith(units) or "/classes.d/" in path} if self.with_devmux else {}
        if self.with_devmux:
            ours |= {f"{units}/{unit}.yaml": (SOURCE / f"units.d/{unit}.yaml").read_bytes() for unit in GUARDED.values()}
        fstab = debian.FILES["/etc/fstab"] + self.server.fstab("/srv", SHARE)
        return ours | {"/usr/local/sbin/before-init": BEFORE_INIT.encode(), "/usr/local/sbin/marks": MARKS,
                       "/etc/init.d/networking": NETWORKING.encode(), "/etc/inittab": INITTAB.encode(),
                       "/etc/fstab": fstab.encode()}


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def unlike(boots):
    """What differs between boots that should be alike, as text."""
    first = boots[0]
    for boot in boots:
        if twice := [script for script in boot.scripts if boot.scripts.count(script) > 1]:
            yield f"ran twice: {twice}"
        for what in ("scripts", "processes"):
            a, b = set(getattr(first, what)), set(getattr(boot, what))
            if a != b:
                yield f"{what}: {sorted(a - b)} in the first boot alone, {sorted(b - a)} in another alone"
        wanted = sorted(GUARDED) if boot.with_devmux else []
        if boot.by_devmux != wanted:
            yield f"run by devmux: {boot.by_devmux}, expected {wanted}"


def table(boots):
    """min, median and max of each measure, and the ratio of the medians."""
    measures = {"boot complete (s)": lambda b: b.complete_at, "last service done (s)": lambda b: b.last_at,
                "processor time of QEMU (s)": lambda b: b.cpu}
    yield "| | without devmux: min, median, max | with devmux | ratio of the medians |"
    yield "|---|---|---|---|"
    for name, measure in measures.items():
        found = [sorted(measure(b) for b in boots if b.with_devmux is which) for which in (False, True)]
        middle = [statistics.median(values) for values in found]
        cells = [f"{v[0]:.2f}, {m:.2f}, {v[-1]:.2f}" for v, m in zip(found, middle)]
        yield f"| {name} | {cells[0]} | {cells[1]} | {middle[1] / middle[0]:.3f} |"


def main():
    parser = argparse.ArgumentParser(description="Boots a Debian with and without devmux, and compares.")
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build", help="build directory (%(default)s)")
    parser.add_argument("--boots", type=int, default=5, help="boots of each kind (%(default)s)")
    options = parser.parse_args()
    os.umask(0o022)
    boots = []
    with tempfile.TemporaryDirectory(prefix="devmux-boots-") as tmp:
        try:
            programs = stripped(options.build, pathlib.Path(tmp))
            with nfs_server(debian.image("sysvinit-boot")) as server:
                for n in range(2 * options.boots):
                    with Boot(programs if n % 2 else {}, server) as boot:
                        boots.append(boot)
                        print(f"      {'with' if n % 2 else 'without'} devmux: complete at {boot.complete_at:.2f} s, last "
                              f"service done at {boot.last_at:.2f} s, {boot.cpu:.2f} s of a processor", flush=True)
        except vm.GuestError as e:
            sys.exit(str(e))
    print(f"scripts: {' '.join(name for name, _ in boots[0].scripts)}")
    print(f"processes: {' '.join(boots[0].processes)}")
    print("\n".join(table(boots)))
    different = sorted(set(unlike(boots)))
    print("\n".join(different) or "the boots were alike: the same scripts, none twice, and the same processes")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
