"""A machine with a real udevd, made of namespaces: mounts and network of its own, so that neither the
rules nor the database nor the links of this machine are touched. Its sysfs is this machine's, and its
udevd hears real devices as well; it has no rules for them."""
import os
import pathlib
import shutil
import signal
import subprocess

from checks import Failure, check, eventually

PROGRAMS = ("/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd")
SETUP = """set -e
mount -t tmpfs -o mode=755 run /run
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 dev /dev
mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/zero c 1 5; mknod -m 666 /dev/urandom c 1 9
mkdir -p /run/udev/rules.d
for folder in /etc/udev /usr/lib/udev /lib/udev; do
    [ ! -d $folder ] || [ -L $folder ] || mount -t tmpfs -o mode=755 empty $folder
done
ip link set lo up
echo ready
exec sleep infinity
"""


class UdevMachine:
    def __init__(self, place):
        self.place = place
        self.program = next((p for p in PROGRAMS if os.path.exists(p)), None)
        check(self.program, "udevd is not installed: apt-get install udev")
        self.holder = subprocess.Popen(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", SETUP],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        check(self.holder.stdout.readline() == "ready\n", "namespaces for a machine with udevd cannot be made")
        self.prefix = ["nsenter", "-t", str(self.holder.pid), "-m", "-n", "--"]
        self.udevd = None
        self.log = place.dir / "udevd.log"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # First who uses it.
        for process in (self.udevd, self.holder):
            if process and process.poll() is None:
                process.kill()
            if process:
                process.wait()

    def run(self, *argv, code=0):
        done = subprocess.run([*self.prefix, *map(str, argv)], capture_output=True, text=True, errors="replace",
                              check=False, stdin=subprocess.DEVNULL)
        if code is not None and done.returncode != code:
            raise Failure(f"{' '.join(map(str, argv))}: exit {done.returncode}: {done.stderr}")
        return done

    def sh(self, text):
        return self.run("sh", "-c", text).stdout

    def rule(self, text):
        self.sh(f"cat >>/run/udev/rules.d/60-test.rules <<'EOF'\n{text}\nEOF\n")

    def start_udevd(self):
        with open(self.log, "ab") as log:
            self.udevd = subprocess.Popen([*self.prefix, "env", "SYSTEMD_LOG_TARGET=console", self.program],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: self.run("udevadm", "control", "--ping", code=None).returncode == 0, "udevd answers",
                   lambda: self.log.read_text(errors="replace"))

    def kill_udevd(self):
        self.udevd.send_signal(signal.SIGKILL)
        self.udevd.wait()
        # Workers outlive a killed udevd; what they do then is nobody's business here.
        self.run("pkill", "-KILL", "-f", self.program, code=None)

    def settle(self):
        self.run("udevadm", "settle", "--timeout", "60")

    def add_link(self, name):
        self.run("ip", "link", "add", name, "type", "bridge")

    def del_link(self, name):
        self.run("ip", "link", "del", name)

    def gate(self, name):
        """A program for a rule, which waits until the test opens it; and how to open it."""
        opened = self.place.dir / f"{name}.open"
        program = self.place.program(name, f"#!/bin/sh\nwhile [ ! -e {opened} ]; do sleep 0.05; done\n"
                                           f"echo GATE={name}\n")
        return program, opened.touch
