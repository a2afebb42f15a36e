"""A Debian whose first process is systemd: its units, and init scripts, as services of devmux."""
from machine import SOURCE, DebianMachine, expect

CHECKS = 18

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
    "bus": "when: file /run/never exists\nsystemd: dbus.service",
    "reloads": "when: file /run/never exists\nsystemd: reloads.service",
    "restarts": "when: file /run/never exists\nsystemd: restarts.service",
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
        f"{etc}/reloads.service": STAYS + b"ExecReload=/bin/sh -c 'echo reload >>/var/log/reloads; test ! -e /run/reload-fails'\n",
        f"{etc}/restarts.service": STAYS,
        f"{etc}/third.target": b"[Unit]\nDescription=of the test\n",
        f"{etc}/bad.service": b"[Service]\nType=oneshot\nExecStart=/bin/false\n",
        f"{etc}/slow@.service": b"[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                                b"ExecStart=/bin/sh -c 'echo %i >>/var/log/slow; while [ ! -e /run/slow ]; do sleep 0.05; done'\n",
        "/etc/init.d/generated": b"#!/bin/sh\necho \"$1\" >>/var/log/generated\n",
        "/etc/init.d/masked": b"#!/bin/sh\necho \"$1\" >>/var/log/masked\n",
    }


def main_pid(m, unit="devmuxd"):
    return m.must(f"systemctl show -p MainPID --value {unit}")


def fails(m, unit, reason):
    m.must(f"! devmux start {unit}")
    found = m.status(unit)
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
            m.must("systemctl start devmuxd && systemctl is-active devmuxd")
            m.until("devmux status")            # which asks for ten seconds, and a slow machine may need longer
            expect("type", m.must("systemctl show -p Type --value devmuxd"), "notify")
            m.must("systemctl reload devmuxd && systemctl is-active devmuxd")
        graph(m, check)
        by_hand(m, check)
        reasons(m, check)
        reloads(m, check)
        crashes(m, check)
    boot(report, programs)


def graph(m, check):
    with check("units of systemd and init scripts in one graph"):
        for unit in ("first", "second", "third", "held"):
            expect(f"{unit} is", m.status(unit)["state"], "waiting")
        m.must("touch /run/go")
        m.until_state("third", "active")
        for unit in ("first.service", "devmux-own.service", "third.target", "held.service"):
            m.must(f"systemctl is-active {unit}")
        expect("calls of own", m.must("cat /var/log/own"), "start 1 second")
    with check("the script's daemon is in a unit of its own, and survives a restart of devmuxd"):
        pid, before = m.must("cat /run/own.pid"), main_pid(m)
        assert m.must(f"cat /proc/{pid}/cgroup").endswith("/devmux-own.service")
        m.must("systemctl restart devmuxd")
        assert main_pid(m) != before, "devmuxd was not restarted"
        m.must(f"kill -0 {pid}")
        m.until_state("third", "active")
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
            m.until_state(unit, "waiting")
        m.must("! systemctl is-active first.service devmux-own.service third.target held.service")
        expect("calls of own", m.must("cat /var/log/own").splitlines(), ["start 1 second", "stop 1 second"])


def by_hand(m, check):
    with check("systemctl stop by hand is seen, and holds"):
        m.must("touch /run/go")
        m.until_state("held", "active")
        m.must("systemctl stop held.service")
        found = m.until_state("held", "waiting")
        expect("held, asked by", (found["hold"], found["asked_by"]), ("down", "a person"))
        m.must("rm /run/go")
        m.until_state("first", "waiting")
        m.must("touch /run/go")
        m.until_state("third", "active")
        expect("state", m.status("held")["state"], "waiting")
        m.must("! systemctl is-active held.service")
    with check("systemctl start by hand is seen, and so is a stop while no devmuxd runs"):
        m.must("systemctl start held.service")
        m.until_state("held", "active")
        m.must("systemctl stop devmuxd && systemctl stop held.service && systemctl start devmuxd")
        expect("hold", m.until_state("held", "waiting")["hold"], "down")
    with check("a service that is killed has failed; what requires it stops"):
        m.must("systemctl kill -s KILL first.service")
        m.until_state("first", "failed")
        m.until("! systemctl is-active devmux-own.service")


def reasons(m, check):
    with check("masked, missing and broken units fail with the reason"):
        fails(m, "masked", "masked.service is masked")
        fails(m, "masked-script", "masked.service is masked")
        m.must("! test -e /var/log/masked")
        fails(m, "missing", "systemd knows no unit nowhere.service")
        fails(m, "bad", "bad.service failed (exit-code)")


def reloads(m, check):
    with check("refresh: systemd reloads what it can; a reload that failed is told, and nothing is restarted"):
        m.must("devmux start reloads bus")
        pids = main_pid(m, "reloads"), main_pid(m, "dbus")
        m.must("devmux refresh reloads bus")
        expect("calls", m.must("cat /var/log/reloads"), "reload")
        m.must("touch /run/reload-fails; ! devmux refresh reloads")
        found = m.status("reloads")
        expect("reloads is", (found["state"], found["reload_failed"]), ("active", True))
        assert found["last_reload"].startswith("failed: reloads.service"), found["last_reload"]
        expect("processes", (main_pid(m, "reloads"), main_pid(m, "dbus")), pids)
    with check("what systemd cannot reload is restarted"):
        m.must("devmux start restarts")
        before = main_pid(m, "restarts")
        m.must("devmux refresh restarts")
        assert main_pid(m, "restarts") not in ("0", before), "it was not restarted"
    with check("the message bus goes and comes: seen as by hand, and in nobody's way"):
        m.must("systemctl stop dbus.socket dbus.service")
        m.until_state("bus", "waiting")
        m.must("devmux stop restarts && ! systemctl is-active restarts && devmux start restarts")
        m.must("systemctl start dbus.socket dbus.service")
        m.until_state("bus", "active")


# A service as Debian has it, and the drop-in that devmux(1) has for such.
OWNED = {
    "/etc/devmux/units.d/cron.yaml": b"description: of the test\nwhen: file /run/go exists\nsystemd: cron.service\n",
    "/etc/systemd/system/cron.service.d/devmux.conf":
        b"[Unit]\nAfter=devmuxd.service\n"
        b"[Service]\nExecCondition=/bin/sh -c 'devmux guard cron start || [ $$? -ne 77 ]'\n",
    "/etc/systemd/system/multi-user.target.d/devmux.conf": b"[Unit]\nWants=devmuxd.service\n",
}


def boot(report, programs):
    with DebianMachine(programs, "", [], flavour="systemd", files=files() | OWNED) as m:
        def check(name):
            return report.check(f"systemd, boot: {name}", m)

        def cron(prop):
            return m.must(f"systemctl show -p {prop} --value cron.service")

        def begun():
            return m.must("journalctl --sync; journalctl -b -o cat -u cron.service").count("Started cron")

        with check("a service of Debian's that devmux owns: boot leaves it"):
            expect("devmuxd is", m.must("systemctl is-active devmuxd"), "active")
            expect("enabled", m.must("systemctl is-enabled cron.service"), "enabled")
            expect("cron is", (cron("ActiveState"), cron("Result")), ("inactive", "exec-condition"))
            found = m.status("cron")
            expect("unit", (found["state"], found["hold"], found["starts"]), ("waiting", "", 0))
            expect("starts", begun(), 0)
        with check("its condition comes true: devmux starts it, once"):
            m.must("touch /run/go")
            found = m.until_state("cron", "active")
            expect("unit", (found["asked_by"], found["starts"]), ("its condition", 1))
            expect("cron is", cron("ActiveState"), "active")
            expect("starts", begun(), 1)
        with check("systemctl stop by hand is seen, a start is passed over, and devmux start is not"):
            m.must("systemctl stop cron.service")
            expect("hold", m.until_state("cron", "waiting")["hold"], "down")
            m.must("systemctl start cron.service")
            expect("cron is", (cron("ActiveState"), cron("Result")), ("inactive", "exec-condition"))
            m.must("devmux start cron")
            expect("cron is", cron("ActiveState"), "active")
            expect("starts", begun(), 2)
        with check("without the daemon, and without devmux, it is systemd's again"):
            m.must("systemctl stop devmuxd && systemctl restart cron.service")
            expect("cron is", cron("ActiveState"), "active")
            m.must("mv /usr/bin/devmux /usr/bin/devmux.away && systemctl restart cron.service")
            expect("cron is", cron("ActiveState"), "active")
            pid = cron("MainPID")
            m.must("mv /usr/bin/devmux.away /usr/bin/devmux && systemctl start devmuxd")
            m.until_state("cron", "active")
            expect("process", cron("MainPID"), pid)


def crashes(m, check):
    with check("kill -9 of devmuxd during a start: nothing is started twice"):
        m.must("devmux start --no-wait slow")
        m.until("grep -q kill /var/log/slow")
        before = main_pid(m)
        m.must(f"kill -9 {before}")
        m.until(f"main=$(systemctl show -p MainPID --value devmuxd); test $main != 0 && test $main != {before}")
        m.until("devmux status")
        expect("slow is", m.status("slow")["state"], "starting")
        m.must("touch /run/slow")
        m.until_state("slow", "active")
        expect("runs", m.must("cat /var/log/slow"), "kill")
    with check("daemon-reexec during a start: its end is not missed"):
        m.must("rm /run/slow; devmux start --no-wait anew")
        m.until("grep -q reexec /var/log/slow")
        m.must("systemctl daemon-reexec")
        expect("anew is", m.status("anew")["state"], "starting")
        m.must("touch /run/slow")
        m.until_state("anew", "active")
        expect("runs", m.must("cat /var/log/slow").split(), ["kill", "reexec"])
        m.must("systemctl stop slow@reexec.service")
        expect("hold", m.until_state("anew", "waiting")["hold"], "down")
