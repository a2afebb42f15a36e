#!/usr/bin/env python3
"""A throw-away QEMU guest with hardware that can be plugged and pulled.

The guest runs Debian's own kernel on an initramfs of static busybox, the kernel
modules that were asked for and the files that were given.  It is emulated, so
it needs no KVM ($DEVMUX_VM_ACCEL=kvm uses it), and is up in about three seconds.

    with Guest(modules=["xhci_pci", "usbhid", "hid_generic"],
               files={"/bin/tool": "build/tool"}, args=USB) as g:
        g.plug("usb-mouse", "m1")
        g.until("grep -q Mouse /proc/bus/input/devices")
        status, text = g.sh("tool --version")
        g.unplug("m1")

* ttyS0 is the console; its text is in `Guest.log`.
* ttyS1 carries a root shell, which `Guest.sh` drives.
* QMP plugs devices: any `-device` of QEMU that can be hot-plugged.  USB needs
  `args=USB`, PCI Express `args=pci_ports(2)` and `bus="port1"`.

There is no udev in the guest: every device stays as the kernel made it, and no
driver is loaded for it but by the caller's `modprobe`.  A whole Debian, with udev,
is made by debian.py.  Any number of guests can run at once.

Needed on the host: apt (the kernel is downloaded on first use) and the packages
qemu-system-x86 busybox-static cpio kmod.  What takes time to make is kept in
$DEVMUX_VM_CACHE, by default /var/tmp/devmux-vm; the folder may be deleted at
any time.
"""
import atexit
import base64
import contextlib
import fcntl
import hashlib
import json
import lzma
import os
import pathlib
import re
import shlex
import shutil
import socket
import struct
import subprocess
import tempfile
import time

CACHE = pathlib.Path(os.environ.get("DEVMUX_VM_CACHE", "/var/tmp/devmux-vm"))
# Emulation works everywhere; a /dev/kvm inside a virtual machine may be there and yet hang.
ACCEL = os.environ.get("DEVMUX_VM_ACCEL", "tcg")

# Seconds after which something that should happen is given up. Nobody waits for so long but where something is broken:
# an emulated machine, beside others on a busy host, may be twenty times slower than alone.
LONG = 600

# Without no_timer_check, a guest on a busy host finds its timer too slow and panics.
KERNEL_ARGS = "console=ttyS0 quiet panic=-1 no_timer_check"

# QEMU arguments for a guest that USB devices are to be plugged into.
USB = ("-device", "qemu-xhci,id=usb")


def pci_ports(count):
    """QEMU arguments for hot-plug slots named port1, port2, …: plug with bus="port1"."""
    return [a for n in range(1, count + 1)
            for a in ("-device", f"pcie-root-port,id=port{n},chassis={n},slot={n}")]


class GuestError(RuntimeError):
    """The host lacks something, or the guest died or refused."""


class GuestTimeout(GuestError):
    """The guest did not do in time what was waited for."""


class GivenUp(GuestError):
    """A guest that was given up: what else was to be done with it is not done."""


def run_raw(*cmd, input=b"", **kw):
    """Runs a host program and returns its output as bytes; a failure names the program and what it said."""
    env = {**os.environ, "LC_ALL": "C", "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    try:
        done = subprocess.run(cmd, env=env, input=input, capture_output=True, **kw)
    except FileNotFoundError as e:
        raise GuestError(f"{cmd[0]} is not installed; needed are the packages "
                         "qemu-system-x86 busybox-static cpio kmod") from e
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace")
        raise GuestError(f"{shlex.join(cmd)}: exit {done.returncode}\n{said[-2000:]}")
    return done.stdout


def run(*cmd, **kw):
    """Like run_raw, but returns text."""
    return run_raw(*cmd, **kw).decode(errors="replace")


@contextlib.contextmanager
def locked(name):
    """Holds a lock in the cache, so that several test runs build nothing twice."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


# ---- kernel and initramfs -------------------------------------------------

def kernel(package="linux-image-amd64"):
    """Downloads and unpacks Debian's kernel, once.

    Returns the folder it was unpacked to and the kernel's version.
    """
    root = CACHE / package
    with locked(package):
        if not root.exists():
            tmp = pathlib.Path(tempfile.mkdtemp(prefix="unpack-", dir=CACHE))
            try:
                _download_kernel(package, tmp)
                version = next((tmp / "root/lib/modules").iterdir()).name
                run("depmod", "-b", str(tmp / "root"), version)
                _unpack_image(tmp / "root/boot" / f"vmlinuz-{version}", tmp / "root/boot/vmlinux")
                (tmp / "root").rename(root)
            finally:
                shutil.rmtree(tmp, ignore_errors=True)
    return root, next((root / "lib/modules").iterdir()).name


def _download_kernel(package, tmp):
    """Unpacks the linux-image package that `package` depends on into tmp/root."""
    for attempt in ("as it is", "after apt-get update"):
        if attempt != "as it is":
            run("apt-get", "update")
        try:
            found = re.search(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", package))
            if not found:
                raise GuestError(f"apt knows no kernel behind {package}")
            tmp.chmod(0o755)
            run("apt-get", "-o", "APT::Sandbox::User=root", "download", found[1], cwd=tmp)
            run("dpkg-deb", "-x", str(next(tmp.glob("linux-image-*.deb"))), str(tmp / "root"))
            return
        except GuestError:
            if attempt != "as it is":
                raise


def _unpack_image(vmlinuz, out):
    """Unpacks the kernel proper out of a bzImage.

    QEMU can start it directly (PVH), which saves the emulated machine four
    seconds of firmware and decompression.
    """
    packed = vmlinuz.read_bytes()
    setup = (packed[0x1f1] + 1) * 512
    offset, length = struct.unpack_from("<II", packed, 0x248)
    payload = packed[setup + offset:setup + offset + length]
    if payload.startswith(b"\xfd7zXZ"):       # any other packing: the bzImage is booted
        out.write_bytes(lzma.LZMADecompressor().decompress(payload))


def kernel_image(firmware=False):
    """The file to boot: the unpacked kernel, or the packed one if the firmware is to have its say."""
    root, version = kernel()
    unpacked = root / "boot/vmlinux"
    return root / f"boot/vmlinuz-{version}" if firmware or not unpacked.exists() else unpacked


def module_files(moddir, names):
    """The files, relative to moddir, of these modules and all that they depend on.

    A name that is built into the kernel needs no file; an unknown one is an error.
    """
    def plain(path):
        return pathlib.Path(path).name.split(".ko")[0].replace("-", "_")

    deps = dict(line.split(":", 1) for line in (moddir / "modules.dep").read_text().splitlines())
    path_of = {plain(path): path for path in deps}
    builtin = {plain(path) for path in (moddir / "modules.builtin").read_text().splitlines()}
    wanted = {name.replace("-", "_") for name in names}
    if unknown := wanted - path_of.keys() - builtin:
        raise GuestError(f"{moddir.name} has no module {', '.join(sorted(unknown))}")
    todo, found = [path_of[name] for name in wanted if name in path_of], set()
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += deps[path].split()
    return sorted(found)


INIT = """#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
/bin/busybox --install -s /bin
ln -s /bin/busybox /sbin/modprobe   # where the kernel looks for it
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
echo 4 > /proc/sys/kernel/printk
ip link set lo up
[ ! -x /payload/init ] || /payload/init
echo VM-READY
while :; do   # the first process stays here and reaps
    setsid sh </dev/ttyS1 >/dev/ttyS1 2>&1
done
"""

# What the host types into the shell on ttyS1.  Commands then come as lines
# "MARK BASE64" and are answered with <MARK, their output, >MARK STATUS, even if
# they `exit`.  The quotes keep the terminal's echo from looking like the answer.
# A line is read in a subshell, which has no children: a shell whose child ends
# while it reads forgets half a line.
SHELL_HELLO = "echo shell''-awake\n", "shell-awake"
SHELL_LOOP = """stty raw -echo; echo loop''-ready; while :; do sh -c 'trap "echo \\">\\$mark \\$?\\"" EXIT; \
while mark=$(read -r line; echo "$line"); do code=${mark#* }; mark=${mark%% *}; \
echo "<$mark"; eval "$(echo $code | base64 -d)" </dev/null; echo ">$mark $?"; done'; done
""", "loop-ready"


def _pack(tree):
    """A cpio archive of a folder, as the kernel unpacks it."""
    names = b"\0".join(os.fsencode(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
    return run_raw("cpio", "-o0", "-H", "newc", "--quiet", "-R", "0:0", cwd=tree, input=names + b"\0")


def base_initramfs(modules=(), init=INIT):
    """The part of an initramfs that many guests share, from the cache: returns the archive.

    `init` is the text of the first process.
    """
    root, version = kernel()
    moddir = root / "lib/modules" / version
    busybox = pathlib.Path("/bin/busybox")
    if not busybox.exists() or len(with_libs({"/bin/busybox": busybox})) > 1:
        raise GuestError("there is no static /bin/busybox: install the package busybox-static")
    files = module_files(moddir, modules)
    key = hashlib.sha256(json.dumps([version, init, busybox.stat().st_mtime, files]).encode()).hexdigest()[:16]
    archive = CACHE / f"base-{key}.cpio"
    with locked("base"):
        if not archive.exists():
            with tempfile.TemporaryDirectory(prefix="base-", dir=CACHE) as tmp:
                tree = pathlib.Path(tmp) / "tree"
                for d in ("bin", "sbin", "proc", "sys", "dev", "run", "tmp", "etc/init.d", "usr/bin", "usr/sbin",
                          "mnt", "root", "var/lib"):
                    (tree / d).mkdir(parents=True, exist_ok=True)
                place(tree, {"/bin/busybox": busybox, "/init": init.encode(),
                             **{f"/lib/modules/{version}/{f}": moddir / f
                                for f in [*files, "modules.builtin", "modules.order", "modules.builtin.modinfo"]
                                if (moddir / f).exists()}})
                run("depmod", "-b", str(tree), version)
                part = pathlib.Path(tmp) / "cpio"
                part.write_bytes(_pack(tree))
                part.rename(archive)
    return archive


def place(tree, files):
    """Puts {guest path: host path, or bytes of an executable} below a folder."""
    for target, source in files.items():
        out = tree / target.lstrip("/")
        out.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            out.write_bytes(source)
            out.chmod(0o755)
        else:
            shutil.copy2(source, out)


def initramfs(modules, files, out, init=INIT):
    """Writes an initramfs to `out`.

    Archives are joined, not compressed: the emulated machine would take longer
    to unpack than the host takes to load.
    """
    with tempfile.TemporaryDirectory(prefix="files-", dir=out.parent) as tmp, open(out, "wb") as f:
        with open(base_initramfs(modules, init), "rb") as b:
            shutil.copyfileobj(b, f)
        if files:
            place(pathlib.Path(tmp), files)
            f.write(_pack(pathlib.Path(tmp)))


def with_libs(programs):
    """{guest path: host path} of programs and of every shared library that they load."""
    files = dict(programs)
    for host in programs.values():
        found = subprocess.run(["ldd", str(host)], text=True, capture_output=True).stdout
        if missing := re.findall(r"(\S+) => not found", found):
            raise GuestError(f"{host} needs {', '.join(missing)}")
        files |= {path: path for path in re.findall(r"(/\S+) \(0x", found)}
    return files


# ---- the guest ------------------------------------------------------------

class Guest:
    """A running guest.  Use it with `with`, or call close().

    modules   kernel modules to have at hand (none is loaded), dependencies are added
    files     {guest path: host path or bytes}; /payload/init runs before the shell
    args      more QEMU arguments
    append    more kernel arguments
    firmware  boot through the firmware, which sets a video mode (`vga=`) for the
              kernel's firmware framebuffer; takes four seconds more
    image     (vmlinuz, initrd) to boot instead: a system that prints VM-READY on
              ttyS0 and has a root shell on ttyS1
    ready     seconds until the guest must be up
    within    a command that runs QEMU, as nsenter
    """

    READY = "VM-READY"        # what the console says when the guest is up

    def __init__(self, modules=(), files=None, args=(), append="", mem=512, smp="1,maxcpus=4", vga="none",
                 firmware=False, image=None, ready=LONG, within=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="devmux-vm-"))
        self.log = self.dir / "console.log"
        self.events = []          # QMP events since the last unplug
        self.proc = self._qmp = self._shell = None
        self._marks = 0
        self.firmware = firmware
        atexit.register(self.close)
        try:
            if image:
                vmlinuz, initrd = image
            else:
                initrd = self.dir / "initrd"
                self._initramfs(modules, files, initrd)
                vmlinuz = kernel_image(firmware)
            self._start(within, vmlinuz, initrd, args, append, mem, smp, vga)
            self.wait_console(self.READY, ready)
            self._type(*SHELL_HELLO, every=0.3, timeout=ready)
            self._type(*SHELL_LOOP, every=None, timeout=ready)
        except BaseException:
            self.close()
            raise

    def _initramfs(self, modules, files, out):
        """Writes the initramfs.  For guests of another kind to replace."""
        initramfs(modules, files, out)

    def _start(self, within, vmlinuz, initrd, args, append, mem, smp, vga):
        cmd = [*within, "qemu-system-x86_64", "-accel", ACCEL, "-cpu", "max", "-machine", "q35", "-m", str(mem),
               "-smp", smp, "-nodefaults", "-display", "none", "-vga", vga, "-no-reboot",
               "-serial", f"file:{self.log}", "-serial", f"unix:{self.dir}/shell,server=on,wait=off",
               "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off", "-kernel", str(vmlinuz), "-initrd", str(initrd),
               "-append", f"{KERNEL_ARGS} {append}", *args]
        with open(self.dir / "qemu.err", "w") as err:
            try:
                self.proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
            except FileNotFoundError as e:
                raise GuestError("qemu-system-x86_64 is not installed: package qemu-system-x86") from e
        self._qmp = self._connect("qmp")
        self._qmp.settimeout(LONG)
        self._qmp_file = self._qmp.makefile("rw")
        self._qmp_file.readline()                       # the greeting
        self.qmp("qmp_capabilities")
        self._shell = self._connect("shell")

    def _connect(self, name):
        """Connects to one of QEMU's sockets, as soon as it is there."""
        end = time.monotonic() + LONG
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(str(self.dir / name))
                return s
            except OSError:
                s.close()
                if self.proc.poll() is not None or time.monotonic() > end:
                    raise GuestError(f"QEMU did not start: {self._tail('qemu.err')}") from None
                time.sleep(0.02)

    def _tail(self, name):
        """The end of one of the guest's logs, for an error message."""
        path = self.dir / name
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def _died(self):
        return GuestError(f"the guest is gone\n{self._tail('qemu.err')}\n{self._tail('console.log')}")

    def _type(self, text, answer, every, timeout):
        """Types text on ttyS1, again and again if need be, until the answer comes.

        The first characters are lost as long as nobody has opened the terminal.
        """
        buf, end = "", time.monotonic() + timeout
        while answer not in buf:
            if time.monotonic() > end:
                raise GuestTimeout(f"no shell on ttyS1 after {timeout} s, only {buf[-2000:]!r}\n"
                                   f"{self._tail('console.log')}")
            self._shell.settimeout(every or timeout)
            with contextlib.suppress(TimeoutError):
                if every or not buf:
                    self._shell.sendall(text.encode())
                data = self._shell.recv(65536)
                if not data:
                    raise self._died()
                buf += data.decode(errors="replace")

    def qmp(self, execute, **arguments):
        """Runs a QMP command and returns what it returns; an error is raised.

        A key that is no Python name is passed as qmp("…", **{"socket-id": 1}).
        """
        try:
            self._qmp_file.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
            self._qmp_file.flush()
            while line := self._qmp_file.readline():
                msg = json.loads(line)
                if "return" in msg:
                    return msg["return"]
                if "error" in msg:
                    raise GuestError(f"{execute} {arguments}: {msg['error']['desc']}")
                self.events.append(msg)
        except TimeoutError as e:
            raise GuestTimeout(f"{execute}: no answer from QEMU") from e
        except OSError as e:
            raise self._died() from e
        raise self._died()

    def plug(self, driver, id, **props):
        """Plugs a device in: the same names and properties as QEMU's -device."""
        return self.qmp("device_add", driver=driver, id=id, **props)

    def unplug(self, id, wait=0):
        """Pulls a device out.  USB goes at once; PCI and CPUs when the guest's kernel lets them go.

        With `wait`, returns when the device is gone, which must be so after that
        many seconds; the kernel is asked again every ten.
        """
        def gone():                       # QEMU reports of a CPU only that its interrupt controller went
            return any(f"{e['data']['path']}/".startswith(f"/machine/peripheral/{id}/")
                       for e in self.events if e["event"] == "DEVICE_DELETED")

        self.events.clear()
        self.qmp("device_del", id=id)
        end, again = time.monotonic() + wait, time.monotonic() + 10
        while wait and not gone():
            if time.monotonic() > end:
                raise GuestTimeout(f"{id} is still plugged in after {wait} s")
            if time.monotonic() > again:
                with contextlib.suppress(GuestError):      # "already in the process of unplug"
                    self.qmp("device_del", id=id)
                again += 10
            time.sleep(0.05)
            self.qmp("query-status")                       # reads the events that have come

    def plug_cpu(self, id):
        """Plugs in one more CPU.  It is offline until its `online` attribute is written."""
        for cpu in reversed(self.qmp("query-hotpluggable-cpus")):
            if "qom-path" not in cpu:
                return self.plug(cpu["type"], id, **cpu["props"])
        raise GuestError("every CPU is plugged in: start the guest with a larger maxcpus")

    def wait_console(self, text, timeout=LONG):
        """Waits until the console has shown a text."""
        end = time.monotonic() + timeout
        while text not in self._console():
            if self.proc.poll() is not None:
                raise self._died()
            if time.monotonic() > end:
                raise GuestTimeout(f"{text!r} is not on the console after {timeout} s:\n{self._tail('console.log')}")
            time.sleep(0.05)

    def _console(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def sh(self, cmd, timeout=LONG):
        """Runs shell text in the guest's one root shell; returns (exit status, output).

        Variables, the folder and background jobs last from call to call.  Both
        output streams are returned, without surrounding white space.
        """
        return self._answer(self._ask(cmd, timeout), cmd, timeout)

    def _ask(self, cmd, timeout):
        """Types a command for the shell; returns the mark of the answer to come."""
        self._marks += 1
        mark = f"@{self._marks}@"
        code = base64.b64encode(cmd.encode()).decode()
        # Longer lines would overrun the terminal's buffer.
        if len(code) > 60000:
            raise GuestError("too long for the shell: pass it as a file")
        try:
            self._shell.settimeout(timeout)
            self._shell.sendall(f"{mark} {code}\n".encode())
        except TimeoutError:
            raise GuestTimeout(f"{cmd!r}: the shell does not read\n{self._tail('console.log')}") from None
        except OSError as e:
            raise self._died() from e
        return mark

    def _answer(self, mark, cmd, timeout):
        """Reads a command's answer: (exit status, output)."""
        answer = re.compile(rf"<{mark}\n(.*)>{mark} (\d+)\n", re.S)
        buf, end = b"", time.monotonic() + timeout
        try:
            while not (found := answer.search(buf.decode(errors="replace"))):
                self._shell.settimeout(max(0.01, end - time.monotonic()))
                data = self._shell.recv(65536)
                if not data:
                    raise self._died()
                buf += data
        except TimeoutError:
            raise GuestTimeout(f"{cmd!r}: not done after {timeout} s, said {buf[-2000:]!r}\n"
                               f"{self._tail('console.log')}") from None
        except OSError as e:
            raise self._died() from e
        return int(found[2]), found[1].strip()

    def must(self, cmd, timeout=LONG):
        """Runs shell text that has to succeed; returns its output."""
        status, text = self.sh(cmd, timeout)
        if status:
            raise GuestError(f"{cmd!r}: exit {status}: {text}")
        return text

    def until(self, cmd, timeout=LONG, every=0.2):
        """Repeats shell text until it succeeds; returns its output."""
        end = time.monotonic() + timeout
        while True:
            status, text = self.sh(cmd, timeout)
            if status == 0:
                return text
            if time.monotonic() > end:
                raise GuestTimeout(f"{cmd!r}: not true after {timeout} s, last exit {status}: {text}")
            time.sleep(every)

    @contextlib.contextmanager
    def asleep(self, state="mem", timeout=LONG):
        """The guest is suspended in the block, and woken up at its end.

        "freeze"  suspends to idle, any number of times.  The module `button` must be
                  loaded: a press of the power button is what wakes it up.
        "mem"     suspends to RAM.  The guest must have been started with firmware=True,
                  which has its part in the awakening; and it works once: that firmware
                  leaves ACPI's registers switched off.
        """
        if state == "mem" and not self.firmware:
            raise GuestError("suspend to RAM needs a guest that was started with firmware=True")
        begin, end = (f"NAP-{what}-{self._marks}" for what in ("BEGINS", "ENDS"))
        # What is typed while the guest wakes up is lost in part; so it tells on the console when it is awake.
        cmd = f"""echo N >/sys/module/printk/parameters/console_suspend; echo 1 >/sys/power/pm_debug_messages
                  read -r printk rest </proc/sys/kernel/printk; echo 8 >/proc/sys/kernel/printk
                  echo {begin} >/dev/console; echo {state} >/sys/power/state; status=$?
                  echo $printk >/proc/sys/kernel/printk; echo {end} >/dev/console; (exit $status)"""

        def sleeps():
            self.qmp("query-status")                       # reads the events that have come
            return ("suspend-to-idle" in self._console().partition(begin)[2] if state == "freeze" else
                    any(e["event"] == "SUSPEND" for e in self.events))

        self.events.clear()
        mark, until = self._ask(cmd, timeout), time.monotonic() + timeout
        while not sleeps():
            if end in self._console():
                raise GuestError(f"the guest did not fall asleep: {self._answer(mark, cmd, timeout)}\n"
                                 f"{self._tail('console.log')}")
            if time.monotonic() > until:
                raise GuestTimeout(f"the guest is not asleep after {timeout} s\n{self._tail('console.log')}")
            time.sleep(0.05)
        try:
            yield
        finally:
            self.qmp("system_powerdown" if state == "freeze" else "system_wakeup")
        self.wait_console(end, timeout)
        status, text = self._answer(mark, cmd, timeout)
        if status:
            raise GuestError(f"the guest woke up with an error: {text}\n{self._tail('console.log')}")

    def close(self):
        """Ends the guest and removes its files.  Harmless when done twice."""
        atexit.unregister(self.close)
        for s in (self._qmp, self._shell):
            if s:
                s.close()
        self._qmp = self._shell = None
        if self.proc and self.proc.poll() is None:
            self.proc.kill()          # nothing in it is worth a clean end
        if self.proc:
            self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
