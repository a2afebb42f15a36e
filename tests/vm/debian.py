#!/usr/bin/env python3
"""A guest that is a whole Debian: its own init, its own udevd, its own rules.

    debian.py [sysvinit|systemd]        makes the root, if the cache has none, and boots it once
    debian.py --roots                   makes the roots that the cache has not, and gets the kernel

How is a Debian root made?  image() answers: mmdebstrap installs a few packages
from the mirror that apt uses, what nobody needs in a guest is cut away, a few
files are added, and all of it is packed into an ext4 image, once.  The image is
never written: each guest writes to a throw-away copy on top of it.

The kernel is the one of vm.py.  A small initramfs of static busybox mounts the
image, copies the guest's modules, programs and files into it, and hands over to
Debian's /sbin/init.  udevd finds only the modules that the guest was given, so a
test decides which hardware gets a driver.

    with DebianGuest(modules=["xhci_pci", "usbhid", "hid_generic", "evdev"],
                     programs={"/usr/bin/devmuxd": "build/tools/devmuxd"}, args=vm.USB) as g:
        g.plug("usb-mouse", "m1", bus="usb.0")
        g.until("udevadm info /dev/input/mouse0 | grep -q ID_INPUT_MOUSE=1")

The guest is ready when Debian has booted to its end.  With held=True it is ready
right before udev is started, with a shell, and boots on when it is told to:

    with DebianGuest(..., files=slow_rules("input"), held=True) as g:
        g.must("mkdir -p /run/udev-held; touch /run/udev-held/input")
        g.must("devmuxd </dev/null >/run/log 2>&1 &")
        g.go_on(wait=0)                       # udev starts, and does not get done with input devices
        g.must("rm /run/udev-held/input")
        g.complete()

The shell is no login: it is there before init, and is none of init's business.

Needed on the host besides what vm.py needs: root, for mmdebstrap, and the packages
mmdebstrap e2fsprogs.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

import vm

# Cut: nobody reads, installs or sets the time zone in a guest.  Of the boot, what takes seconds in an
# emulated machine and nobody needs; the initramfs has mounted all that is to be mounted.
CUT = """usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/zoneinfo usr/share/lintian
    usr/share/bash-completion usr/lib/udev/hwdb.d var/cache/apt var/cache/debconf var/lib/apt var/log/apt""".split()
SKIPPED = [f"/usr/share/{what}/*" for what in ("doc", "man", "info", "locale")]      # of these nothing is unpacked
SIZE = "1G"                 # of the file system; the image takes up what is in it

FILES = {
    "/etc/hostname": "devmux-test\n",
    "/etc/fstab": "/dev/vda / ext4 noatime 0 0\n",
    # Holds the boot if the initramfs has left something to wait for.
    "/usr/local/sbin/hold-boot": """#!/bin/sh
[ ! -p /run/boot-held ] || { echo BOOT-HELD >/dev/console; read -r go </run/boot-held; }
""",
}


class Flavour:
    """What makes a root.  Each change of these makes a new image."""

    def __init__(self, packages, cut, files, masked="", skipped=""):
        self.packages = packages.split()
        self.cut = [*CUT, *cut.split()]
        self.files = {**FILES, **files}
        self.masked = [f"/etc/systemd/system/{unit}" for unit in masked.split()]
        self.skipped = [*SKIPPED, *skipped.split()]


INITTAB = """id:2:initdefault:
si::sysinit:/etc/init.d/rcS
l0:0:wait:/etc/init.d/rc 0
l1:1:wait:/etc/init.d/rc 1
l2:2:wait:/etc/init.d/rc 2
l3:3:wait:/etc/init.d/rc 3
l4:4:wait:/etc/init.d/rc 4
l5:5:wait:/etc/init.d/rc 5
l6:6:wait:/etc/init.d/rc 6
ok:2345:respawn:/bin/sh -c 'echo BOOT-COMPLETE >/dev/console; exec sleep infinity'
"""
FLAVOURS = {
    # Of the boot, hostname.sh, udev and bootmisc.sh are left.
    "sysvinit": Flavour(
        "sysvinit-core sysv-rc udev kmod iproute2 procps libsystemd0",
        " ".join(f"etc/rcS.d/S??{script}" for script in """hwclock.sh mountkernfs.sh mountdevsubfs.sh checkroot.sh
            checkfs.sh checkroot-bootclean.sh kmod mount-configfs mountall.sh mountall-bootclean.sh brightness procps
            urandom mountnfs.sh mountnfs-bootclean.sh""".split()) + " etc/rc2.d/S*",
        {
            "/etc/init.d/.legacy-bootordering": "",        # one script after the other, by the numbers of their links
            "/etc/rcS.d/S01zz-hold-boot": "#!/bin/sh\nexec /usr/local/sbin/hold-boot\n",
            "/etc/inittab": INITTAB,
        }),
    # The boot as Debian makes it, in insserv's order, and packages whose scripts wait for hardware and the network.
    "sysvinit-boot": Flavour(
        "sysvinit-core sysv-rc insserv udev kmod iproute2 procps libsystemd0 alsa-utils nfs-common ntpsec-ntpdate", "",
        {"/etc/inittab": INITTAB}),
    "systemd": Flavour(
        "systemd-sysv udev kmod iproute2 procps dbus libsystemd0 cron",
        "etc/systemd/system/timers.target.wants",
        {
            "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
            "/etc/systemd/journald.conf.d/test.conf": "[Journal]\nStorage=volatile\n",
            "/etc/systemd/logind.conf.d/test.conf": "[Login]\nHandlePowerKey=ignore\n",   # it wakes a sleeping guest up
            "/etc/systemd/system/hold-boot.service": """[Unit]
Description=Hold the boot before udev
DefaultDependencies=no
Before=systemd-udevd.service systemd-udev-trigger.service
ConditionPathExists=/run/boot-held
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/usr/local/sbin/hold-boot
""",
            "/etc/systemd/system/sysinit.target.d/test.conf": "[Unit]\nWants=hold-boot.service\n",
            "/etc/systemd/system/boot-complete.service": """[Unit]
Description=Say that the boot is complete
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c "echo BOOT-COMPLETE >/dev/console"
""",
            "/etc/systemd/system/multi-user.target.d/test.conf": "[Unit]\nWants=boot-complete.service\n",
        },
        masked="""getty.target serial-getty@.service modprobe@.service e2scrub_reap.service systemd-random-seed.service
            systemd-pstore.service systemd-journal-flush.service dev-hugepages.mount dev-mqueue.mount
            sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount
            proc-sys-fs-binfmt_misc.automount"""),
}
# The packages of the shipped units, under either init: a root for two. Its /sbin/init is that of sysvinit; a guest
# whose before-init makes it a link to systemd boots with that. X does without OpenGL.
FLAVOURS["packages"] = Flavour(
    "sysvinit-core sysv-rc insserv systemd udev kmod iproute2 procps libsystemd0 dbus alsa-utils alsa-ucm-conf bluez "
    "ntpsec-ntpdate fetchmail ifrename cpufrequtils initscripts xdm xserver-xorg-core xserver-xorg-input-libinput",
    "etc/systemd/system/timers.target.wants", {**FLAVOURS["systemd"].files, "/etc/inittab": INITTAB},
    " ".join(path.rpartition("/")[2] for path in FLAVOURS["systemd"].masked),
    "/usr/lib/x86_64-linux-gnu/dri/* /usr/lib/x86_64-linux-gnu/libLLVM* /usr/lib/x86_64-linux-gnu/libz3*")


class Mounts:
    """How the initramfs mounts the root at /mnt: the modules it takes, shell text, and whether there is a disk."""

    def __init__(self, modules, script, disk=True):
        self.modules = modules
        self.script = f"modprobe -a {modules}\n{script}"
        self.disk = disk


ON_DISK = Mounts("virtio_pci virtio_blk crc32c_generic ext4", """until [ -b /dev/vda ]; do sleep 0.02; done
mount -t ext4 -o noatime /dev/vda /mnt
""")
# The first process, with @MOUNTS@ in it.  Once all is in place, the shell is started in the root, as a child of the
# init to be.
INIT = """#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
/bin/busybox --install -s /bin
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid,mode=0755 devtmpfs /dev
mount -t tmpfs -o nosuid,nodev,mode=0755 run /run
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts -o nosuid,noexec,gid=5,mode=0620 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm
echo 4 >/proc/sys/kernel/printk
@MOUNTS@for dir in proc sys dev run; do mount --move /$dir /mnt/$dir; done
mkdir -p /mnt/usr/lib/modules
cp -a /lib/modules/. /mnt/usr/lib/modules/
[ ! -d /files ] || cp -a /files/. /mnt/
[ ! -d /libraries ] || ( cd /libraries && find . -type f | while read -r file; do
    [ -e "/mnt/$file" ] || [ -L "/mnt/$file" ] || { mkdir -p "/mnt/${file%/*}" && cp -a "$file" "/mnt/$file"; }
done )
[ ! -x /mnt/usr/local/sbin/before-init ] || chroot /mnt /usr/local/sbin/before-init
! grep -qw devmux.held /mnt/proc/cmdline || mkfifo /mnt/run/boot-held
exec switch_root /mnt /bin/sh -c '
    TERM=dumb NO_COLOR=1 setsid sh -c "while :; do sh </dev/ttyS1 >/dev/ttyS1 2>&1; done" </dev/null >/dev/null 2>&1 &
    exec /sbin/init'
"""


# ---- the root --------------------------------------------------------------

def image(flavour="sysvinit"):
    """The root as an ext4 image, from the cache."""
    wanted, release = FLAVOURS[flavour], _release()
    recipe = json.dumps([release, SIZE, vars(wanted)], sort_keys=True)
    done = vm.CACHE / f"debian-{flavour}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.img"
    with vm.locked(f"debian-{flavour}"):
        if not done.exists():
            _check_host()
            tmp = pathlib.Path(tempfile.mkdtemp(prefix=f"debian-{flavour}-", dir=vm.CACHE))
            tmp.chmod(0o755)
            try:
                _install(wanted, release, tmp / "root")
                vm.run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(tmp / "root"), str(tmp / "img"),
                       SIZE)
                (tmp / "img").rename(done)
            finally:
                shutil.rmtree(tmp, ignore_errors=True)
    return done


def _check_host():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    packages = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs"}
    if missing := [package for program, package in packages.items() if not shutil.which(program, path=path)]:
        raise vm.GuestError(f"a Debian root cannot be made: install the packages {' '.join(missing)}")
    if os.geteuid():
        raise vm.GuestError("a Debian root cannot be made: mmdebstrap needs root. Run this as root once; it is "
                            f"kept in {vm.CACHE}")


def _release():
    """The Debian release of the host: its libraries are the ones that the host's programs want."""
    names = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', pathlib.Path("/etc/os-release").read_text(), re.M))
    if names.get("ID") != "debian" or "VERSION_CODENAME" not in names:
        raise vm.GuestError("a Debian root is made on a Debian host only: /etc/os-release names no release of it")
    return names["VERSION_CODENAME"]


def _mirror(release):
    """The mirror that apt takes this release from."""
    for attempt in ("as it is", "after apt-get update"):
        if attempt != "as it is":
            vm.run("apt-get", "update")
        for line in vm.run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
                           "Created-By: Packages").splitlines():
            if line.split(" ")[1:] == [release, "main"]:
                return line.split(" ")[0]
    raise vm.GuestError(f"apt knows no source of {release} main to install a root from: see sources.list(5)")


def _install(wanted, release, root):
    # What it mounts, and what it runs, goes with it, however it ends.
    vm.run("unshare", "--mount", "--pid", "--fork", "--kill-child", "mmdebstrap", "--mode=root", "--variant=minbase",
           "--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={path}" for path in wanted.skipped),
           f"--include={','.join(wanted.packages)}", release, str(root), _mirror(release))
    for pattern in wanted.cut:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    vm.place(root, {merged(path): text.encode() for path, text in wanted.files.items()})
    for path, text in wanted.files.items():
        if not text.startswith("#!"):
            (root / merged(path).lstrip("/")).chmod(0o644)
    for path in wanted.masked:
        (root / path.lstrip("/")).symlink_to("/dev/null")


def merged(path):
    """A path with /bin, /lib and the like where they really are: in /usr."""
    return re.sub(r"^/(bin|sbin|lib|lib32|lib64|libx32)/", r"/usr/\1/", path)


# ---- the guest -------------------------------------------------------------

class DebianGuest(vm.Guest):
    """A running Debian: a Guest, see there, with these differences.

    flavour   its init: "sysvinit" or "systemd"
    modules   those that udev, or a test, can load
    programs  {guest path: host path} of programs; the libraries that the root lacks come with them
    files     {guest path: host path or bytes}; there before init is
    mounts    where its root is
    held      the guest is ready right before udev is started; go_on() lets it boot on
    ready     seconds until it must be ready
    """

    # udev and systemd do not give up sooner than who waits for them.
    PATIENT = f"udev.event_timeout={vm.LONG} systemd.default_timeout_start_sec={vm.LONG}"

    def __init__(self, flavour="sysvinit", modules=(), programs=None, files=None, args=(), append="", held=False,
                 mounts=ON_DISK, ready=vm.LONG, **kw):
        self.READY = "BOOT-HELD" if held else "BOOT-COMPLETE"
        self._programs, self._mounts = programs or {}, mounts
        root = ["-drive", f"file={image(flavour)},if=none,id=root,format=raw,snapshot=on,cache=unsafe",
                "-device", "virtio-blk-pci,drive=root"] if mounts.disk else []
        append = f"{self.PATIENT} {append}{' devmux.held' if held else ''}"
        super().__init__(modules, files, [*root, *args], append, ready=ready, **kw)

    def _initramfs(self, modules, files, out):
        ours = {**self._programs, **(files or {})}
        libraries = {path: host for path, host in vm.with_libs(self._programs).items() if path not in ours}
        inside = {f"/files{merged(path)}": source for path, source in ours.items()}
        inside |= {f"/libraries{merged(path)}": source for path, source in libraries.items()}
        init = INIT.replace("@MOUNTS@", self._mounts.script)
        vm.initramfs([*modules, *self._mounts.modules.split()], inside, out, init)

    def go_on(self, wait=vm.LONG):
        """Lets a held guest boot on, and waits until it has booted unless `wait` is 0."""
        self.must("echo go >/run/boot-held")
        if wait:
            self.complete(wait)

    def complete(self, timeout=vm.LONG):
        """Waits until Debian has booted to its end."""
        self.wait_console("BOOT-COMPLETE", timeout)


def slow_rules(*subsystems):
    """Files for a guest in which udev can be held at the devices of some subsystems.

    As long as /run/udev-held/SUBSYSTEM is there, udev does not get done with those
    devices.  Which it is held at is in /run/udev-waits, a devpath per line.  Debian's
    boot waits two minutes for udev: let go before, or use `held`.
    """
    rules = "".join(f'ACTION!="remove", SUBSYSTEM=="{subsystem}", PROGRAM="/usr/local/sbin/udev-held {subsystem}"\n'
                    for subsystem in subsystems)
    script = b"""#!/bin/sh
[ ! -e "/run/udev-held/$1" ] || echo "$DEVPATH" >>/run/udev-waits
while [ -e "/run/udev-held/$1" ]; do sleep 0.05; done
"""
    return {"/etc/udev/rules.d/10-held.rules": rules.encode(), "/usr/local/sbin/udev-held": script}


def main():
    flavour = sys.argv[1] if len(sys.argv) > 1 else "sysvinit"
    if flavour not in (*FLAVOURS, "--roots"):
        sys.exit(f"usage: debian.py [{'|'.join(FLAVOURS)}|--roots]")
    try:
        if flavour == "--roots":
            vm.kernel()
        for name in FLAVOURS if flavour == "--roots" else [flavour]:
            began = time.monotonic()
            path = image(name)
            print(f"{path}: {path.stat().st_blocks * 512 >> 20} MiB, {time.monotonic() - began:.1f} s", flush=True)
        if flavour == "--roots":
            return
        began = time.monotonic()
        with DebianGuest(flavour) as guest:
            print(f"up after {time.monotonic() - began:.1f} s")
            print(guest.must("ps --ppid 2 -p 2 --deselect; df -h /"))
    except vm.GuestError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
