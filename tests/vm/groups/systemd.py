"""A Debian whose first process is systemd: its units, and init scripts, as services of devmux."""
import json
import time

import vm
from machine import LONG, SOURCE, DebianMachine, expect

UNITS = {
    # One graph of both kinds.
    "first": "while: file /run/go exists\nsystemd: first.service",
    "second": "while: file /run/go exists\nrequires: first\ninit-script: own",
    "third": "while: file /run/go exists\nrequires: second\nsystemd: third.target",
    "held": "while: file /run/go exists\nsystemd: held.service",
    "generated": "when: file /run/never exists\ninit-script: generated",
    "masked": "when: file /run/never exists\nsystemd: masked.service",
    "masked-script": "when: file /run/never exists\ninit-script: masked",
    "missing": "when: file /run/never exists\nsystemd: nowhere.service",
    "bad": "when: file /run/never exists\nsystemd: bad.service",
    "slow": "when: file /run/never exists\nsystemd: slow@kill.service",
    "anew": "when: file /run/never exists\nsystemd: slow@reexec.service",
}
STAYS = b"[Service]\nExecStart=/bin/sleep infinity\n"
OWN = """#!/bin/sh
echo "$1 $SYSTEMCTL_SKIP_REDIRECT $DEVMUX_UNIT" >>/var/log/own
case $1 in
    start) setsid sleep infinity </dev/null >/dev/null 2>&1 & echo $! >/run/own.pid ;;
    stop) kill "$(cat /run/own.pid)" ;;
esac
"""


def files():
    etc, service = "/etc/systemd/system", (SOURCE / "tools/boot/systemd/devmuxd.service.in").read_text()
    made = {f"/etc/devmux/units.d/{name}.yaml": f"description: of the test\n{text}\n".encode()
            for name, text in UNITS.items()}
    return made | {
        f"{etc}/devmuxd.service": service.replace("@sbindir@", "/usr/bin").encode(),
        f"{etc}/first.service": STAYS,
        f"{etc}/held.service": STAYS,
        f"{etc}/third.target": b"[Unit]\nDescription=of the test\n",
        f"{etc}/bad.service": b"[Service]\nType=oneshot\nExecStart=/bin/false\n",
        f"{etc}/slow@.service": b"[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                                b"ExecStart=/bin/sh -c 'echo %i >>/var/log/slow; while [ ! -e /run/slow ]; do sleep 0.05; done'\n",
        "/etc/init.d/generated": b"#!/bin/sh\necho \"$1\" >>/var/log/generated\n",
        "/etc/init.d/masked": b"#!/bin/sh\necho \"$1\" >>/var/log/masked\n",
    }


def status(m, unit):
    return json.loads(m.must(f"devmux --json status {unit} || true"))      # 1: it has failed


def settled(m, unit, state):
    """Waits until a unit is in a state; returns its status."""
    end = time.monotonic() + LONG
    while (found := status(m, unit))["state"] != state:
        if time.monotonic() > end:
            raise vm.GuestTimeout(f"{unit} is {found['state']} for {LONG} s, not {state}")
        time.sleep(0.1)
    return found


def main_pid(m, unit="devmuxd"):
    return m.must(f"systemctl show -p MainPID --value {unit}")


def fails(m, unit, reason):
    m.must(f"! devmux start {unit}")
    found = status(m, unit)
    expect(f"{unit} is", found["state"], "failed")
    assert reason in found["last_end"], f"{unit}: {found['last_end']!r}, expected {reason!r}"


def run(report, programs):
    with DebianMachine(programs, "", [], flavour="systemd", files=files()) as m:
        def check(name):
            return report.check(f"systemd: {name}", m)

        with check("devmuxd.service says that it is ready"):
            m.must("ln -s /dev/null /etc/systemd/system/masked.service; systemctl daemon-reload")
            # Behind systemd's look for scripts: it knows nothing of this one.
            m.must(f"cat >/etc/init.d/own <<'END'\n{OWN}END\nchmod 755 /etc/init.d/own")
            m.must("systemctl start devmuxd && systemctl is-active devmuxd && devmux status")
            expect("type", m.must("systemctl show -p Type --value devmuxd"), "notify")
            m.must("systemctl reload devmuxd && systemctl is-active devmuxd")
        graph(m, check)
        by_hand(m, check)
        reasons(m, check)
        crashes(m, check)


def graph(m, check):
    with check("units of systemd and init scripts in one graph"):
        for unit in ("first", "second", "third", "held"):
            expect(f"{unit} is", status(m, unit)["state"], "waiting")
        m.must("touch /run/go")
        settled(m, "third", "active")
        for unit in ("first.service", "devmux-own.service", "third.target", "held.service"):
            m.must(f"systemctl is-active {unit}")
        expect("calls of own", m.must("cat /var/log/own"), "start 1 second")
    with check("the script's daemon is in a unit of its own, and survives a restart of devmuxd"):
        pid, before = m.must("cat /run/own.pid"), main_pid(m)
        assert m.must(f"cat /proc/{pid}/cgroup").endswith("/devmux-own.service")
        m.must("systemctl restart devmuxd")
        assert main_pid(m) != before, "devmuxd was not restarted"
        m.must(f"kill -0 {pid}")
        settled(m, "third", "active")
        expect("calls of own", m.must("cat /var/log/own"), "start 1 second")
    with check("a script that systemd knows is its unit"):
        m.must("devmux start generated")
        m.must("systemctl is-active generated.service && ! systemctl is-active devmux-generated.service")
        expect("calls", m.must("cat /var/log/generated"), "start")
        m.must("devmux stop generated")
        expect("calls", m.must("cat /var/log/generated").split(), ["start", "stop"])
    with check("stopped in reverse order, each where it runs"):
        m.must("rm /run/go")
        for unit in ("third", "second", "first", "held"):
            settled(m, unit, "waiting")
        m.must("! systemctl is-active first.service devmux-own.service third.target held.service")
        expect("calls of own", m.must("cat /var/log/own").splitlines(), ["start 1 second", "stop 1 second"])


def by_hand(m, check):
    with check("systemctl stop by hand is seen, and holds"):
        m.must("touch /run/go")
        settled(m, "held", "active")
        m.must("systemctl stop held.service")
        found = settled(m, "held", "waiting")
        expect("held, asked by", (found["hold"], found["asked_by"]), ("down", "a person"))
        m.must("rm /run/go")
        settled(m, "first", "waiting")
        m.must("touch /run/go")
        settled(m, "third", "active")
        expect("state", status(m, "held")["state"], "waiting")
        m.must("! systemctl is-active held.service")
    with check("systemctl start by hand is seen, and so is a stop while no devmuxd runs"):
        m.must("systemctl start held.service")
        settled(m, "held", "active")
        m.must("systemctl stop devmuxd && systemctl stop held.service && systemctl start devmuxd")
        expect("hold", settled(m, "held", "waiting")["hold"], "down")
    with check("a service that is killed has failed; what requires it stops"):
        m.must("systemctl kill -s KILL first.service")
        settled(m, "first", "failed")
        m.until("! systemctl is-active devmux-own.service")


def reasons(m, check):
    with check("masked, missing and broken units fail with the reason"):
        fails(m, "masked", "masked.service is masked")
        fails(m, "masked-script", "masked.service is masked")
        m.must("! test -e /var/log/masked")
        fails(m, "missing", "systemd knows no unit nowhere.service")
        fails(m, "bad", "bad.service failed (exit-code)")


def crashes(m, check):
    with check("kill -9 of devmuxd during a start: nothing is started twice"):
        m.must("devmux start --no-wait slow")
        m.until("grep -q kill /var/log/slow")
        before = main_pid(m)
        m.must(f"kill -9 {before}")
        m.until(f"main=$(systemctl show -p MainPID --value devmuxd); test $main != 0 && test $main != {before}")
        m.until("devmux status")
        expect("slow is", status(m, "slow")["state"], "starting")
        m.must("touch /run/slow")
        settled(m, "slow", "active")
        expect("runs", m.must("cat /var/log/slow"), "kill")
    with check("daemon-reexec during a start: its end is not missed"):
        m.must("rm /run/slow; devmux start --no-wait anew")
        m.until("grep -q reexec /var/log/slow")
        m.must("systemctl daemon-reexec")
        expect("anew is", status(m, "anew")["state"], "starting")
        m.must("touch /run/slow")
        settled(m, "anew", "active")
        expect("runs", m.must("cat /var/log/slow").split(), ["kill", "reexec"])
        m.must("systemctl stop slow@reexec.service")
        expect("hold", settled(m, "anew", "waiting")["hold"], "down")
