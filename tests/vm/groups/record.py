"""A boot recorded in a whole Debian, and replayed here: the same decisions, byte for byte."""
import base64
import gzip
import os
import pathlib
import subprocess
import tempfile

import vm
from machine import USB_INPUT, DebianMachine, expect
from groups.debian import plug_mouse

CHECKS = 2

MODULES = f"{USB_INPUT} evdev bochs"
ARGS = [*vm.USB, "-device", "bochs-display"]
TRACE = "/var/log/boot.trace"


def run(report, programs):
    devmux = programs["/usr/bin/devmux"]
    with DebianMachine(programs, MODULES, ARGS, files={"/etc/modprobe.d/test.conf": b"blacklist bochs\n"},
                       held=True) as m:
        def check(name):
            return report.check(f"record: {name}", m)

        with check("a boot is recorded, from before udevd to the login screen and beyond"):
            m.launch(args=f"--record {TRACE}")
            m.complete()
            m.guest.go_on()
            m.framebuffer_on()
            plug_mouse(m, "m1")
            m.wait("mouse and framebuffer")
            m.once("login", "gdm")
            m.must("udevadm trigger --action=add --settle")
            m.must("devmux stop login; devmux start login; devmux reload")
            m.guest.unplug("m1")
            m.wait("no mouse")
            plug_mouse(m, "m1")
            m.wait("mouse and settled")
            m.must("kill $pid; wait $pid; true")
        with check("replayed on another machine: the same decisions") as notes, tempfile.TemporaryDirectory() as tmp:
            text = gzip.decompress(base64.b64decode(m.must(f"gzip -c {TRACE} | base64")))
            trace = pathlib.Path(os.environ.get("DEVMUX_KEEP_TRACE") or pathlib.Path(tmp) / "boot.trace")
            trace.write_bytes(text)
            done = subprocess.run([devmux, "simulate", str(trace)], capture_output=True, text=True, errors="replace",
                                  check=False, timeout=vm.LONG)
            notes.append(f"{len(text)} bytes; {done.stderr.strip()}")
            expect("exit code", (done.returncode, done.stderr if done.returncode else ""), (0, ""))
            if "same decisions" not in done.stderr or "run login start" not in done.stdout:
                raise AssertionError(f"{done.stdout[-2000:]}\n{done.stderr}")
            expect("starts of login", done.stdout.count("run login start"), 2)
