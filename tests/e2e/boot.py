"""What init does: the files that start the daemon, runlevels of init scripts, and the end of the machine."""
import os
import shutil
import signal
import subprocess

from checks import check, contains, equal, eventually, test
from facts import runlevel_record
from place import SOURCE, run

HEADER = """### BEGIN INIT INFO
# Provides: x
# Default-Start: {starts}
# Default-Stop: {stops}
### END INIT INFO
"""


@test
def boot_files_are_installed(p):
    """By option, below /etc, with the paths of this installation in them; and each is a shell script."""
    build, out = p.dir / "b", p.dir / "out-of-it"
    run("meson", "setup", str(build), str(SOURCE), "--prefix=/usr", "-Dboot_files=sysvinit,runit")
    run("meson", "install", "-C", str(build), "--no-rebuild", "--tags", "boot", "--destdir", str(out))
    files = sorted(str(f.relative_to(out)) for f in out.rglob("*") if f.is_file())
    equal(files, ["etc/init.d/devmux", "etc/logrotate.d/devmux", "etc/sv/devmux/check", "etc/sv/devmux/finish",
                  "etc/sv/devmux/log/run", "etc/sv/devmux/run"], "what is installed")
    contains((out / "etc/init.d/devmux").read_text(), "DAEMON=/usr/sbin/devmuxd", "the daemon's path")
    for name in files:
        if "logrotate" not in name:
            check(os.access(out / name, os.X_OK), f"{name} is executable")
    scripts = [f for f in (build / "tools/boot").iterdir() if f.is_file() and f.read_text().startswith("#!")]
    equal(len(scripts), 6, "scripts of all kinds")
    for script in scripts:
        run("sh", "-n", str(script))
        if shutil.which("shellcheck"):
            run("shellcheck", "-s", "sh", "-e", "SC1090,SC1091,SC2034", str(script))
    both = run("meson", "setup", str(p.dir / "c"), str(SOURCE), "-Dboot_files=sysvinit,openrc", code=None)
    check(both.returncode != 0, "two scripts of one name")
    contains(both.stdout, "both have the script", "the error")


class Script:
    """The sysvinit script with this build's programs, on a place of its own."""

    def __init__(self, p):
        text = (SOURCE / "tools/boot/sysvinit/devmux.in").read_text()
        for old, new in (("@SBINDIR@/devmuxd", p.build / "tools/devmuxd"), ("@BINDIR@/devmux", p.build / "tools/devmux"),
                         ("/run/devmux.pid", p.dir / "pid"), ("/var/log/devmux.log", p.dir / "log"),
                         ("/etc/default/devmux", p.dir / "default")):
            check(old in text, f"the script names {old}")
            text = text.replace(old, str(new))
        self.path = p.program("init", text)
        self.pid_file = p.dir / "pid"
        self.env = {**os.environ, "DEVMUX_RUNTIME_DIR": str(p.dir / "run")}
        self.env.pop("RUNLEVEL", None)
        (p.dir / "default").write_text(f'DEVMUXD_OPTIONS="--units {p.units} --root {p.root}"\n')

    def __call__(self, verb, code=0, **env):
        done = subprocess.run([str(self.path), verb], capture_output=True, text=True, timeout=120,
                              env={**self.env, **env}, stdin=subprocess.DEVNULL)
        equal(done.returncode, code, f"{verb}: {done.stdout}{done.stderr}; exit code")
        return done.stdout

    def pid(self):
        return int(self.pid_file.read_text())


@test
def sysvinit_script(p):
    """It is ready when `start` returns; `stop` leaves everything running; in runlevel 6 it does not."""
    p.unit("u", "when: settled or not settled\n" + p.command(stop=True))
    init = Script(p)
    ask = lambda *a: run("env", f"DEVMUX_RUNTIME_DIR={p.dir / 'run'}", str(p.build / "tools/devmux"), *a, code=None)  # noqa: E731
    contains(init("status", code=3), "does not run", "status")
    init("stop")
    init("start")
    p.owns_process(init.pid())
    equal(ask("status").returncode, 0, "it answers at once")
    contains(init("status"), "devmuxd runs", "status")
    first = init.pid()
    init("start")
    equal(init.pid(), first, "one daemon")
    p.until_runs("u", 1)
    contains(init("reload"), "", "reload")
    init("restart")
    p.owns_process(init.pid())
    check(init.pid() != first, "another daemon")
    eventually(lambda: "active" in ask("status", "u").stdout, "u is active", lambda: ask("status").stdout)
    init("stop")
    equal(len(p.runs("u")), 1, "the service was left alone")
    init("start")
    p.owns_process(init.pid())
    eventually(lambda: "coldplug complete" in ask("status").stdout, "it is up", lambda: ask("status").stdout)
    os.kill(init.pid(), signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{init.pid()}"), "it is dead")
    contains(init("status", code=1), "does not run", "status")
    init("start")
    p.owns_process(init.pid())
    eventually(lambda: "coldplug complete" in ask("status").stdout, "it is up", lambda: ask("status").stdout)
    init("stop", RUNLEVEL="6")
    equal([r.argv[0] for r in p.runs("u")], ["start", "stop"], "at the end of the machine")
    init("stop", RUNLEVEL="6")


def sysv_root(p, level):
    """A root whose init has runlevels; returns what enters one."""
    for folder in ("run", "var", "etc/rc2.d"):
        (p.root / folder).mkdir(parents=True, exist_ok=True)
    (p.root / "var/run").symlink_to("/run")
    utmp = p.root / "run/utmp"
    utmp.write_bytes(runlevel_record(level))

    def enter(new):
        with utmp.open("r+b") as file:
            file.write(runlevel_record(new))
    return enter


def script_of(p, name, starts, stops):
    path = p.init_script(name)
    interpreter, rest = path.read_text().split("\n", 1)
    path.write_text(f"{interpreter}\n{HEADER.format(starts=starts, stops=stops)}{rest}")


@test
def scripts_wait_for_their_runlevel(p):
    """Of the header, then of links after a reload; a person is asked by nobody."""
    enter = sysv_root(p, "1")
    script_of(p, "late", "2 3 4 5", "0 1 6")
    script_of(p, "early", "S", "0 6")
    p.unit("late", "when: not file /no exists\ninit-script: late\n")
    p.unit("early", "when: not file /no exists\ninit-script: early\n")
    d = p.daemon()
    d.until_state("early", "active")
    eventually(lambda: d.unit("late")["remark"], "it says why")
    equal(d.unit("late")["remark"], "waits for a runlevel of 2 3 4 5 (it is 1)", "why")
    contains(d.ask("status").stdout, "waits for a runlevel of 2 3 4 5 (it is 1)", "status")
    enter("3")
    d.until_state("late", "active")
    # Links: it runs in 5, and init stops it in 2.
    (p.root / "etc/rc5.d").mkdir()
    (p.root / "etc/rc5.d/S20late").symlink_to("../init.d/late")
    (p.root / "etc/rc2.d/K20late").symlink_to("../init.d/late")
    d.ask("reload")
    enter("2")
    eventually(lambda: len(p.runs("late", "stop")) == 1, "it is stopped", d.log_text)
    d.until_state("late", "waiting")
    equal(d.unit("late")["remark"], "waits for a runlevel of 5 (it is 2)", "why")
    enter("5")
    d.until_state("late", "active")
    enter("2")
    d.until_state("late", "waiting")
    d.ask("start", "late")
    equal(d.state("late"), "active", "by hand")
    equal([r.argv[0] for r in p.runs("late")], ["start", "stop", "start", "stop", "start"], "in turns")


@test
def shutdown_stops_in_reverse(p):
    """What init will not stop, in order, each with its time; killed in between, it goes on and starts nothing."""
    enter = sysv_root(p, "2")
    for level in ("0", "6"):
        (p.root / f"etc/rc{level}.d").mkdir()
        (p.root / f"etc/rc{level}.d/K20theirs").symlink_to("../init.d/theirs")
    (p.root / "etc/rc2.d/S20theirs").symlink_to("../init.d/theirs")
    p.init_script("theirs")
    p.init_script("ours")
    gate = p.dir / "gate"
    gate.touch()
    p.unit("base", "when: not file /no exists\n" + p.command(stop=True))
    p.unit("ours", "when: not file /no exists\nrequires: base\ninit-script: ours\n")
    p.unit("top", "when: not file /no exists\nrequires: ours\n" +
           p.command(stop=True, then=f'[ "$1" != stop ] || while [ -e {gate} ]; do sleep 0.05; done'))
    p.unit("theirs", "when: not file /no exists\ninit-script: theirs\n")
    p.unit("stuck", "when: not file /no exists\ntimeout: {shutdown: 500ms, then: kill}\n" +
           p.command(stop=True, then='[ "$1" != stop ] || exec sleep 1000'))
    p.unit("later", "when: file /later exists\n" + p.command(stop=True))
    p.unit("serves", f"when: not file /no exists\ndaemon: [{shutil.which('sleep')}, '1000']\nrestart: always\n")
    d = p.daemon()
    names = ("base", "ours", "top", "theirs", "stuck", "serves")
    for name in names:
        d.until_state(name, "active")
    enter("6")
    eventually(lambda: d.json("status")["going_down"], "it goes down")
    contains(d.ask("status").stdout, "the machine is going down", "status")
    p.until_runs("top", 2)
    d.until_state("serves", "waiting")
    (p.root / "later").touch()
    d.until_state("stuck", "waiting", "failed")
    contains(d.log_text(), "SIGTERM sent to", "the log")
    contains(d.ask("start", "later", code=5).stderr, "the machine is going down", "by hand")
    check(d.ask("shutdown", "--timeout", "100ms", code=124).stderr, "it says that not all has stopped")
    d.kill()
    d = p.daemon()
    equal(d.json("status")["going_down"], True, "after a kill")
    equal(d.state("ours"), "active", "it waits for top")
    gate.unlink()
    d.ask("shutdown")
    equal([(r.env["DEVMUX_UNIT"], r.argv[0]) for r in p.runs() if r.argv[0] == "stop"
           and r.env["DEVMUX_UNIT"] in ("top", "ours", "base")],
          [("top", "stop"), ("ours", "stop"), ("base", "stop")], "stops in reverse order")
    equal(len(p.runs("theirs")), 1, "init stops that")
    equal(p.runs("later"), [], "nothing is started")
    enter("2")
    for name in (*names[:4], "later", "serves"):
        d.until_state(name, "active")
    equal(len(p.runs("top", "start")), 2, "it did not go down after all")
    d.ask("shutdown", "--no-wait")
    eventually(lambda: d.json("status")["going_down"], "asked for")
    d.ask("shutdown", "--cancel")
    equal(d.json("status")["going_down"], False, "taken back")
