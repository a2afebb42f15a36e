"""Jobs that load modules, asleep and busy, and have run out of their time: named, and not killed; others are.
What the machine sleeps is no time; when it goes down there is less of it."""
import re
import time

from machine import Machine, expect, kernel_log

CHECKS = 9

# Init scripts and commands with three seconds, then SIGTERM, and SIGKILL ten seconds later.
LIMITS = "timeout: {start: 3s, warn: 1s, then: kill}\n"
UNITS = {
    # Measures hash functions in its init function, for two seconds each: never asleep, and it ends by itself.
    "busy": "command: {start: [/sbin/modprobe, tcrypt, mode=404, sec=2]}",
    # The same by another name: nothing but the system call can tell, and that reads "running".
    "nameless": "command: {start: [/bin/busybox, modprobe, tcrypt, mode=404, sec=2]}",
    # Its disk answers each command after a second, and the load waits until it was probed, some 30 commands.
    "asleep": "init-script: asleep",
    "rescans": "init-script: rescans",
    "known": "command: {start: [/sbin/modprobe, tcrypt, mode=404, sec=1]}",
    "hangs": "when: 'network interface[name = \"dummy0\"]'\ninit-script: hangs",
}
NAP = 30
OTHERS = {
    "naps": f"init-script: naps\ntimeout: {{start: {NAP - 5}s, then: kill}}\n",
    # When the machine goes down, three seconds of the ten minutes are left.
    "stays": "command: {start: [/bin/busybox, 'true'], stop: [/etc/init.d/stays]}\n"
             "timeout: {stop: 10m, shutdown: 3s, then: kill}\n",
    "loads": "init-script: asleep\ntimeout: {start: 10m, shutdown: 3s, then: kill}\n",
}
SCRIPTS = {
    "asleep": "modprobe scsi_debug delay=250",
    "rescans": "for i in 1 2 3 4 5; do echo 1 >/sys/bus/scsi/devices/0:0:0:0/rescan; done",
    "hangs": "trap '' TERM\nsleep 1000",
    "stays": "trap '' TERM\nsleep 1001",
    "naps": "until [ -e /run/slept ]; do sleep 0.1; done",
}


def run(report, programs):
    with Machine(programs, "tcrypt scsi_debug sd_mod dummy sha256_generic", [], firmware=True) as m:
        def check(name):
            return report.check(f"timeouts: {name}", m)

        for unit, text in UNITS.items():
            limits = LIMITS.replace("}", ", drivers: {tcrypt: never}}") if unit == "known" else LIMITS
            write(m, f"/etc/devmux/units.d/{unit}.yaml", f"description: of the test\n{text}\n{limits}", 644)
        for unit, text in OTHERS.items():
            write(m, f"/etc/devmux/units.d/{unit}.yaml", f"description: of the test\n{text}", 644)
        for script, text in SCRIPTS.items():
            write(m, f"/etc/init.d/{script}", f"#!/bin/sh\n{text}\n", 755)
        m.must("modprobe sd_mod")
        m.launch()
        m.complete()
        asleep(m, check)
        ordinary(m, check)
        busy(m, check)
        suspended(m, check)
        going_down(m, check)


def write(m, path, text, mode):
    m.must(f"cat >{path} <<'END'\n{text}END\nchmod {mode} {path}")


def logged(m, text, times=1):
    """Waits until the daemon has said so; returns the line."""
    m.until(f"test $(grep -c -F '{text}' $log) -ge {times}")
    return m.must(f"grep -F '{text}' $log").splitlines()[0]


def told_kernel(m, text, times=1):
    """The same of the kernel's log."""
    m.until(f"test $(dmesg | grep -F 'devmux: ' | grep -c -F '{text}') -ge {times}")
    return m.must(f"dmesg | grep -F '{text}'").splitlines()[0]


def failed(m, unit, how):
    expect(f"the end of {unit}", m.until_state(unit, "failed")["last_end"], how)


def has(text, *parts):
    for part in parts:
        if part not in text:
            raise AssertionError(f"{part!r} is not in {text!r}")


def untouched(m, unit):
    """No signal has reached the job, nor waits for it. Returns its status; of one that has ended by itself, nothing."""
    before = m.status(unit)
    pids = m.must(f"echo {before['pid']}; cat /proc/{before['pid']}/task/*/children || true").split()
    pending = {pid: re.findall(r"^(?:SigPnd|ShdPnd):\t(\w+)", m.must(f"cat /proc/{pid}/status || true"), re.M) for pid in pids}
    after = m.status(unit)
    if after["state"] != "overdue":
        expect(f"the end of {unit}", after["last_end"] in ("exited with status 0", "exited with status 1"), True)
        return None
    expect("signals that wait", pending, {pid: ["0" * 16, "0" * 16] for pid in pids})
    return after


def spared(m, unit, module, *words):
    """Warned about, named, overdue, and told to the kernel's log; then spared, and looked at again. Notes for people."""
    m.must(f"devmux start --no-wait {unit}")
    has(logged(m, f"{unit}: its start has run for "), "of the 3s allowed", *words)
    has(logged(m, f"{unit}: its start is overdue: 3s was allowed"), *words)
    has(logged(m, f"{unit}: no SIGTERM, though its start is overdue"), *words)
    if module:
        has(told_kernel(m, f"{unit}: its start is overdue: 3s was allowed"), module, "that is never killed")
    # Once at the end of its time, and ten seconds later. A slow machine may see that late: the job takes half a minute.
    told = f"{unit}: no SIGTERM, though its start is overdue"
    m.until(f"test $(dmesg | grep -F 'devmux: ' | grep -c -F '{told}') -ge 2 || "
            f"! devmux --json status {unit} | grep -q '\"state\":\"overdue\"'")
    has(told_kernel(m, told), *words)
    found = untouched(m, unit)
    if found:
        has(found["remark"], *words)
    expect("signals sent", m.must(f"grep -c -E '{unit}: SIG(TERM|KILL) sent' $log; true").strip(), "0")
    return [] if found else ["this machine was too slow to look at it a second time"]


def busy(m, check):
    with check("modprobe tcrypt, busy in the kernel: warned about, named, spared") as notes:
        notes += spared(m, "busy", "loading module tcrypt", "modprobe (pid ", "is busy, loading module tcrypt")
        notes.append(m.must("cat /proc/$(pidof modprobe)/syscall 2>/dev/null || true").strip())
    with check("it ends by itself, as it would have"):
        # tcrypt never stays: its init function always says EAGAIN.
        failed(m, "busy", "exited with status 1")
    with check("the same by a name that says nothing: what is busy in the kernel is spared") as notes:
        notes += spared(m, "nameless", "", "busybox (pid ", "is busy in the kernel")
        failed(m, "nameless", "exited with status 1")
    with check("drivers: {tcrypt: never} is not even called overdue"):
        m.must("devmux start --no-wait known")
        has(logged(m, "known: its start has run for "), "as long as it needs with the driver tcrypt", "loading module tcrypt")
        failed(m, "known", "exited with status 1")
        expect("overdue", m.must("grep -c 'known: its start is overdue' $log; true").strip(), "0")


def asleep(m, check):
    with check("modprobe scsi_debug, asleep until its disk was probed: warned about, named, spared") as notes:
        notes += spared(m, "asleep", "loading module scsi_debug", "asleep (pid ", "> modprobe (pid ",
                        "loading module scsi_debug", "device pseudo adapter0", "wchan ")
        notes.append(m.must("cat /proc/$(pidof modprobe)/wchan 2>/dev/null || true").strip())
    with check("a write to rescan that waits for the driver is spared as well") as notes:
        m.until("! pidof modprobe")
        notes += spared(m, "rescans", "/rescan", "rescans (pid ", "waits in write", "writing to /sys/devices/", "/rescan")


def ordinary(m, check):
    with check("an ordinary script that hangs: SIGTERM, then SIGKILL, with unit, device and reason in both logs"):
        m.must("modprobe dummy numdummies=1")
        reason = "its start is overdue: 3s was allowed (device /devices/virtual/net/dummy0)"
        for signal in ("SIGTERM", "SIGKILL"):
            has(logged(m, f"hangs: {signal} sent to "), "hangs (pid ", "sleep (pid ", reason)
            has(told_kernel(m, f"hangs: {signal} to hangs"), "hangs (pid ", "which waits in ", reason)
        failed(m, "hangs", "was killed by signal 9 (Killed)")


def suspended(m, check):
    with check(f"{NAP} s asleep are no time of the {NAP - 5} s that a job has") as notes:
        m.must("echo nap begins >/dev/kmsg; devmux start --no-wait naps")
        m.until("pidof sleep")
        # To RAM: suspended to idle the clock of an emulated processor runs on.
        with m.guest.asleep("mem"):
            time.sleep(NAP)
        found = m.status("naps")
        stamps = {text: at for at, text in kernel_log(m.must("echo nap ends >/dev/kmsg; dmesg"))}
        awake = stamps["nap ends"] - stamps["nap begins"]       # the kernel's log has no time for sleep
        notes.append(f"awake for {awake:.1f} s of it")
        if awake > NAP - 5:
            notes.append("this machine was too slow for it to be seen")
            return
        expect("naps is", found["state"], "starting")
        m.must("touch /run/slept")
        m.until_state("naps", "active")
        expect("overdue", m.must("grep -c 'naps: its start is overdue' $log; true").strip(), "0")


def going_down(m, check):
    with check("when the machine goes down: a shorter deadline, for what stops and what starts; a load is spared"):
        m.until_state("rescans", "active", "failed")
        m.until("! pidof modprobe")
        m.until("! grep -q ^scsi_debug /proc/modules || rmmod scsi_debug")
        m.must("devmux start stays && devmux start --no-wait loads")
        m.until("pidof modprobe")
        m.must("devmux shutdown --no-wait")
        has(logged(m, "loads: its start is overdue: "), "loading module scsi_debug", "that is never killed")
        has(told_kernel(m, "loads: its start is overdue: "), "loading module scsi_debug", "that is never killed")
        has(logged(m, "loads: no SIGTERM, though its start is overdue"), "loading module scsi_debug")
        has(logged(m, "stays: its stop is overdue: 3s was allowed"))
        for signal in ("SIGTERM", "SIGKILL"):
            has(logged(m, f"stays: {signal} sent to "), "stays (pid ", "its stop is overdue: 3s was allowed")
            has(told_kernel(m, f"stays: {signal} to stays"), "which waits in ", "its stop is overdue: 3s was allowed")
        logged(m, "stays: the stop was killed by signal 9 (Killed)")
        m.must("! grep -q 'loads: SIG' $log")
        m.must("devmux shutdown --cancel")
