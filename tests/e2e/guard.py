"""devmux guard: init scripts that ask before they start, called by the boot sequence, by people and by
devmux itself; with and without a daemon. The boot sequence is one in a namespace of processes of its own,
in which process 1 has a child called `rc`, as init(8) has."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

from checks import check, contains, equal, eventually, test

# The packager's line, in a script that counts how often it came behind it.
SCRIPT = """#!/bin/sh
set -e
[ -n "$DEVMUX_UNIT" ] && who=devmux || who=other
echo "asked $1" >>{dir}/{name}.calls
{devmux} guard {name} "$1" || [ $? -ne 77 ] || exit 0
echo "$who $1" >>{dir}/{name}.calls
{then}
"""

# Process 1: it has the daemon, and a child called rc that calls scripts. What to do stands in a file.
INIT = """#!/bin/sh
cd {dir}
. {dir}/orders
echo $? >{dir}/init.status
while [ ! -e {dir}/halt ]; do sleep 0.05; done
"""

RC = """#!/bin/sh
# As sysv-rc: an argument for each script, one after the other.
for script; do "$script" start; echo "$script $?" >>{dir}/rc.log; done
"""


def client(p):
    """Of this test's daemon, for a shell."""
    return f"{p.build}/tools/devmux --runtime-dir {p.dir}/run"


def script(p, name, then="", devmux=None):
    devmux = devmux or client(p)
    return p.program(name, SCRIPT.format(dir=p.dir, name=name, devmux=devmux, then=then), p.root / "etc/init.d")


def calls(p, name):
    file = p.dir / f"{name}.calls"
    return file.read_text().splitlines() if file.exists() else []


def ran(p, name):
    return [c for c in calls(p, name) if not c.startswith("asked")]


def claims(p):
    folder = p.dir / "run/claims"
    return sorted(f.name for f in folder.iterdir()) if folder.exists() else []


class Machine:
    """A namespace of processes with an init that runs `orders`, a shell script."""

    def __init__(self, p, orders, init="init"):
        p.program(init, INIT.format(dir=p.dir), p.dir)
        p.program("rc", RC.format(dir=p.dir), p.dir)
        p.program("orders", "#!/bin/sh\n" + orders, p.dir)
        self.p = p
        self.process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", str(p.dir / init)],
                                        stdin=subprocess.DEVNULL, stdout=open(p.dir / "init.log", "ab"),
                                        stderr=subprocess.STDOUT, start_new_session=True)

    def log(self):
        return (self.p.dir / "init.log").read_text()

    def until_booted(self):
        eventually(lambda: (self.p.dir / "init.status").exists(), "the boot has ended", self.log)

    def halt(self):
        (self.p.dir / "halt").touch()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()


def rc_scripts(p):
    file = p.dir / "rc.log"
    return [(os.path.basename(line.split()[0]), int(line.split()[1])) for line in file.read_text().splitlines()]


def daemon_line(p, more=""):
    return (f"{p.build}/tools/devmuxd --runtime-dir {p.dir}/run --units {p.units} --root {p.root} {more} "
            f">>{p.dir}/daemon.log 2>&1 & echo $! >{p.dir}/daemon.pid\n"
            f"until {client(p)} status 2>/dev/null | grep -q 'coldplug complete'; "
            f"do sleep 0.05; done\n")


def killed_line(p):
    return f"kill -9 $(cat {p.dir}/daemon.pid); wait $(cat {p.dir}/daemon.pid)\n"


@test
def without_a_daemon_everything_goes_on(p):
    """No daemon, no binary, one that crashes or is killed: the script runs, and ends well, under set -e."""
    crash = p.program("crash", "#!/bin/sh\nkill -SEGV $$\n")
    killed = p.program("killed", "#!/bin/sh\nkill -KILL $$\n")
    fails = p.program("fails", "#!/bin/sh\nexit 1\n")
    says_no = p.program("says_no", "#!/bin/sh\nexit 77\n")
    for name, devmux, expected in [("none", None, ["other start"]), ("gone", "/nonexistent/devmux", ["other start"]),
                                   ("crash", crash, ["other start"]), ("killed", killed, ["other start"]),
                                   ("fails", fails, ["other start"]), ("leave", says_no, [])]:
        path = script(p, name, devmux=devmux)
        done = subprocess.run([str(path), "start"], capture_output=True, text=True, check=False)
        equal(done.returncode, 0, f"{name}: exit status ({done.stderr})")
        equal(ran(p, name), expected, f"{name}: it ran")
    path = script(p, "other")
    for action in ("stop", "restart", "status", ""):
        equal(subprocess.run([str(path), action], check=False).returncode, 0, f"{action}: exit status")
    equal(ran(p, "other"), ["other stop", "other restart", "other status", "other "], "the guard speaks of start alone")
    tool = [str(p.build / "tools/devmux"), "--runtime-dir", str(p.dir / "run"), "guard"]
    for arguments in (["a/b", "start"], ["", "start"], ["x" * 65, "start"], [".a", "start"], ["a"], [], ["a", "start", "b"],
                      ["--frob", "a", "start"]):
        check(subprocess.run(tool + arguments, capture_output=True, check=False).returncode != 77, f"{arguments} is no no")
    os.symlink("/tmp", p.dir / "link")
    tool[2] = str(p.dir / "link")
    equal(subprocess.run(tool + ["a", "start"], check=False).returncode, 0, "in a folder that others write to")


@test
def a_daemon_that_does_not_answer_is_not_waited_for(p):
    script(p, "a")
    p.unit("a", "description: d\ninit-script: a\n")
    d = p.daemon()
    os.kill(d.pid, signal.SIGSTOP)
    try:
        done = subprocess.run([str(p.root / "etc/init.d/a"), "start"], capture_output=True, text=True, check=False)
    finally:
        os.kill(d.pid, signal.SIGCONT)
    equal(done.returncode, 0, "exit status")
    equal(ran(p, "a"), ["other start"], "the script ran")
    d.barrier()
    equal(ran(p, "a"), ["other start"], "and is not run again by what was asked too late")
    d.until_state("a", "active")
    equal(claims(p), [], "the claim was taken in")
    d.kill()
    check((p.dir / "run/guard").exists(), "its socket is still there")
    equal(os.system(f"{p.root}/etc/init.d/a start"), 0, "refused: it goes on")
    equal(ran(p, "a"), ["other start"] * 2, "the script ran")
    equal(claims(p), ["a"], "and has left a claim")


@test
def a_person_is_waited_for_and_the_script_runs_once(p):
    path = script(p, "a", then="sleep 0.3")
    p.unit("a", "description: d\nwhile: file /nonexistent exists\ninit-script: a\n")
    script(p, "fails", then=f'[ -e {p.dir}/good ] || exit 3')
    p.unit("fails", "description: d\ninit-script: fails\n")
    script(p, "b")
    p.unit("b", "description: d\ninit-script: b\nrequires: never\n")
    p.unit("never", "description: d\nwhen: file /nonexistent exists\n" + p.command())
    script(p, "unknown")
    p.unit("each", "description: d\neach-event: network interface[name = \"no\"]\ninit-script: each\n")
    script(p, "each")
    p.unit("broken", "description: d\nwhen: mause\ninit-script: broken\n")
    script(p, "broken")
    os.symlink("/dev/null", p.units / "masked.yaml")
    script(p, "masked")
    d = p.daemon()
    start = lambda name, action="start": subprocess.run([str(p.root / "etc/init.d" / name), action], capture_output=True,
                                                        text=True, check=False)
    done = start("a")
    equal(done.returncode, 0, "exit status")
    equal(calls(p, "a"), ["asked start", "asked start", "devmux start"], "devmux ran it, and asked itself")
    contains(done.stderr, "devmux: a: started", "the outcome is told")
    equal(d.state("a"), "active", "it stays, against its condition")
    equal(d.unit("a")["asked_by"], "a person", "who asked")
    # What an init script started may have ended since: it looks for itself.
    start("a")
    equal(ran(p, "a"), ["devmux start", "other start"], "of a unit that is active the script goes on")
    done = start("fails")
    equal(done.returncode, 3, "it failed, and its own status is told")
    contains(done.stderr, "exited with status 3; the script goes on by itself", "why")
    equal(ran(p, "fails"), ["devmux start", "other start"], "once by devmux, once by itself")
    done = start("b")
    contains(done.stderr, "not started yet: it waits for never", "whom it waits for")
    equal([done.returncode, ran(p, "b")], [0, []], "and nothing was run")
    for name in ("unknown", "each", "broken", "masked"):
        equal(start(name).returncode, 0, f"{name}: exit status")
        equal(ran(p, name), ["other start"], f"{name}: the script is its own master")
    # Killed while it starts a unit for somebody: the next daemon goes on, and answers.
    script(p, "slow", then=f"until [ -e {p.dir}/gate ]; do sleep 0.02; done")
    p.unit("slow", "description: d\ninit-script: slow\n")
    d.ask("reload", code=None)
    asks = subprocess.Popen([str(p.root / "etc/init.d/slow"), "start"], stderr=subprocess.PIPE, text=True)
    eventually(lambda: ran(p, "slow") == ["devmux start"], "devmux starts it")
    d.kill()
    d = p.daemon()
    (p.dir / "gate").touch()
    told = asks.communicate(timeout=60)[1]
    equal(asks.returncode, 0, f"exit status ({told})")
    contains(told, "devmuxd went away while it was starting slow", "what it saw")
    equal(ran(p, "slow"), ["devmux start"], "it ran once")


@test
def the_boot_sequence_and_devmux_never_both_start_one(p):
    for name in ("unknown", "waits", "runs", "bare", "byhand", "each"):
        script(p, name)
    p.unit("waits", "description: d\nwhen: file /nonexistent exists\ninit-script: waits\n")
    p.unit("runs", "description: d\nwhen: no file /nonexistent exists\ninit-script: runs\n")
    p.unit("bare", "description: d\ninit-script: bare\n")
    p.unit("each", "description: d\neach-event: cpu[name = \"cpu0\"]\ninit-script: each\n")
    names = " ".join(f"{p.root}/etc/init.d/{n}" for n in ("unknown", "waits", "runs", "bare", "each"))
    m = Machine(p, daemon_line(p) + f"{p.dir}/rc {names}\n{p.root}/etc/init.d/byhand start\n")
    m.until_booted()
    equal(rc_scripts(p), [(n, 0) for n in ("unknown", "waits", "runs", "bare", "each")], "all ended well")
    equal({n: ran(p, n) for n in ("unknown", "waits", "runs", "bare")},
          {"unknown": ["other start"], "waits": [], "runs": ["devmux start"], "bare": ["other start"]}, "who ran what")
    equal(ran(p, "each"), ["devmux start"], "events run it")
    contains(m.log(), "waits: left to devmux, which starts it when: file \"/nonexistent\" exists", "boot reads why")
    m.halt()


@test
def what_is_not_installed_is_not_taken_from_boot(p):
    """Another script may have the unit's line; where the unit's own is not there, and may be missing, it goes on."""
    for name in ("absent", "strict", "chosen"):
        script(p, name)
    p.init_script("lightdm")
    choice = p.root / "etc/X11/default-display-manager"
    choice.parent.mkdir(parents=True)
    choice.write_text("/usr/sbin/lightdm\n")
    text = "description: d\nwhen: file /nonexistent exists\ninit-script: gdm3\n"
    p.unit("absent", text + "if-missing: skip\n")
    p.unit("strict", text)
    p.unit("chosen", text + "if-missing: skip\nchosen-by: /etc/X11/default-display-manager\n")
    names = ("absent", "strict", "chosen")
    m = Machine(p, daemon_line(p) + f"{p.dir}/rc " + " ".join(f"{p.root}/etc/init.d/{n}" for n in names) + "\n" +
                f"{client(p)} list --json >{p.dir}/list\n")
    m.until_booted()
    equal({n: ran(p, n) for n in names}, {"absent": ["other start"], "strict": [], "chosen": []}, "who ran what")
    states = {u["name"]: (u["state"], u["asked_by"]) for u in json.loads((p.dir / "list").read_text())}
    check(states["absent"][0] in ("starting", "active"), "boot's start counts", states)
    equal([states["absent"][1], states["strict"][0], states["chosen"][0]], ["the boot sequence", "waiting", "waiting"], "states")
    m.halt()


@test
def a_status_that_hangs_is_ended(p):
    """Behind a start of boot's that nobody saw end the script is asked whether it runs: no answer is no failure."""
    hangs = f"case $1 in\nstatus) sleep 100000 & echo $! >{p.dir}/pid; wait ;;\nesac"
    path = script(p, "a", then=hangs)
    p.unit("a", "description: d\nwhen: file /nonexistent exists\ninit-script: a\ntimeout: {start: 1s}\n")
    p.unit("b", "description: d\nwhen: no file /nonexistent exists\nrequires: a\n" + p.command())
    subprocess.run([str(path), "start"], check=True)
    equal(claims(p), ["a"], "boot's start, before the daemon")
    d = p.daemon()
    d.until_state("b", "done")
    equal([d.state("a"), ran(p, "a")[0]], ["active", "other start"], "it counts as started, and who waits for it goes on")
    contains(d.log_text(), "/etc/init.d/a status has not answered within 1s: it is to be killed", "and that is told")
    def hangs_on():  # of what has ended there is no command line, even before its parent has noticed
        try:
            return pathlib.Path(f"/proc/{(p.dir / 'pid').read_text().strip()}/cmdline").read_bytes() != b""
        except OSError:
            return False
    eventually(lambda: not hangs_on(), "and with it what it had begun")


@test
def what_boot_ran_before_the_daemon_is_not_run_again(p):
    """Scripts that have ended, one that runs on, and one that fails; then the daemon comes. And goes, and comes."""
    script(p, "ended")
    p.unit("ended", "description: d\nwhen: no file /nonexistent exists\ninit-script: ended\nthen: follows\n")
    script(p, "follows")
    p.unit("follows", "description: d\ninit-script: follows\ntask: true\n")
    script(p, "task")
    p.unit("task", "description: d\nwhen: no file /nonexistent exists\ninit-script: task\ntask: true\n")
    script(p, "runs", then=f"until [ -e {p.dir}/gate ]; do sleep 0.02; done")
    p.unit("runs", "description: d\nwhen: no file /nonexistent exists\ninit-script: runs\n")
    script(p, "down", then=f"case $1 in\nstatus) exit 3 ;;\nesac")
    p.unit("down", "description: d\nwhen: no file /nonexistent exists\ninit-script: down\n")
    script(p, "other")
    names = " ".join(f"{p.root}/etc/init.d/{n}" for n in ("ended", "task", "down", "other", "runs"))
    status = lambda file: f"{client(p)} list --json >{p.dir}/{file}\n"
    done = f"until [ $(grep -c . {p.dir}/rc.log) = 5 ]; do sleep 0.02; done\n"
    m = Machine(p, f"{p.dir}/rc {names} &\nuntil [ -e {p.dir}/runs.calls ] && [ $(grep -c start {p.dir}/runs.calls) = 2 ]; do sleep 0.02; done\n"
                f"ls {p.dir}/run/claims >{p.dir}/left\n" + daemon_line(p) + status("first") +
                killed_line(p) + daemon_line(p) + status("second") + f"touch {p.dir}/gate\n" + done +
                f"{client(p)} wait 'unit runs active'\n" + status("third"))
    m.until_booted()
    equal((p.dir / "left").read_text().split(), ["down", "ended", "other", "runs", "task"], "claims")
    equal(rc_scripts(p), [(n, 0) for n in ("ended", "task", "down", "other", "runs")], f"all ended well\n{m.log()}")
    states = {}
    for file in ("first", "second", "third"):
        for unit in json.loads((p.dir / file).read_text()):
            states.setdefault(unit["name"], []).append(unit["state"])
            if unit["name"] != "follows":
                equal(unit["asked_by"], "the boot sequence", f"{unit['name']}, {file}: who asked")
    equal(states, {"ended": ["active"] * 3, "task": ["done"] * 3, "down": ["failed"] * 3, "follows": ["done"] * 3,
                   "runs": ["starting", "starting", "active"]}, "states, as soon as the daemon was there")
    equal({n: ran(p, n) for n in ("ended", "task", "runs", "down", "follows")},
          {"ended": ["other start"], "task": ["other start"], "runs": ["other start"],
           "down": ["other start", "devmux status"], "follows": ["devmux start"]}, "who ran what, once")
    equal(claims(p), ["other"], "those of units were taken in")
    m.halt()


@test
def a_script_that_boot_runs_beside_the_daemon(p):
    """It has no condition, so boot starts it: the daemon knows, watches it, also as a new daemon, and stops others after it."""
    script(p, "slow", then=f"until [ -e {p.dir}/gate ]; do sleep 0.02; done")
    p.unit("slow", "description: d\ninit-script: slow\ntimeout: {start: 1s, then: kill}\n")
    script(p, "user")
    p.unit("user", "description: d\nwhen: no file /nonexistent exists\ninit-script: user\nrequires: slow\nafter: slow\n")
    status = lambda file: f"{client(p)} status slow --json >{p.dir}/{file}\n"
    again = f"until [ -e {p.dir}/slow.calls ] && [ $(grep -c start {p.dir}/slow.calls) = 2 ]; do sleep 0.02; done\n"
    m = Machine(p, "mv %s/user.yaml %s/user.off\n" % (p.units, p.units) + daemon_line(p) +
                f"{p.dir}/rc {p.root}/etc/init.d/slow &\n" + again + status("first") +
                f"mv {p.units}/user.off {p.units}/user.yaml\n{client(p)} reload\n" +
                killed_line(p) + daemon_line(p) +
                f"until {client(p)} status slow | grep -q overdue; do sleep 0.1; done\n" +
                status("second") + f"touch {p.dir}/gate\n"
                f"{client(p)} wait 'unit user active'\n" + status("third"))
    m.until_booted()
    seen = [json.loads((p.dir / file).read_text()) for file in ("first", "second", "third")]
    equal([u["state"] for u in seen], ["starting", "overdue", "active"], f"states\n{(p.dir / 'daemon.log').read_text()}")
    equal({u["asked_by"] for u in seen}, {"the boot sequence"}, "who asked")
    equal([ran(p, "slow"), ran(p, "user")], [["other start"], ["devmux start"]], "who ran what")
    equal(rc_scripts(p), [("slow", 0)], "nobody killed it")
    m.halt()


@test
def what_is_left_to_the_boot_sequence(p):
    """boot-if: boot runs it, and devmux does not; then devmux does. By hand it is as ever."""
    script(p, "boots")
    p.unit("boots", "description: d\nwhen: no file /nonexistent exists\nboot-if: file /boots exists\ninit-script: boots\nthen: follows\n")
    script(p, "follows")
    p.unit("follows", "description: d\ninit-script: follows\ntask: true\n")
    script(p, "later")
    p.unit("later", "description: d\nwhen: no file /nonexistent exists\nboot-if: file /boots exists\ninit-script: later\n")
    (p.root / "boots").touch()
    devmux = client(p)
    m = Machine(p, daemon_line(p) + f"{devmux} status later >{p.dir}/left; {devmux} explain later >>{p.dir}/left\n"
                f"{p.dir}/rc {p.root}/etc/init.d/boots\n{devmux} wait 'unit follows done'\n{devmux} list --json >{p.dir}/list\n"
                f"rm {p.root}/boots\n{devmux} wait 'unit later active'\n{p.dir}/rc {p.root}/etc/init.d/later\n")
    m.until_booted()
    left = (p.dir / "left").read_text()
    contains(left, "left to the boot sequence: file \"/boots\" exists", "status and explain")
    contains(left, "boot-if: file \"/boots\" exists", "its condition")
    states = {u["name"]: (u["state"], u["asked_by"]) for u in json.loads((p.dir / "list").read_text())}
    equal(states["boots"], ("active", "the boot sequence"), "boot's start")
    equal(states["later"][0], "waiting", "held back")
    equal([ran(p, n) for n in ("boots", "follows", "later")], [["other start"], ["devmux start"], ["devmux start"]], "who ran what")
    m.halt()


@test
def claims_are_for_this_boot_and_this_user(p):
    path = script(p, "a")
    p.unit("a", "description: d\nwhen: file /nonexistent exists\ninit-script: a\n")
    start = lambda *word: subprocess.run([str(path), *(word or ("start",))], check=True)
    start()
    equal(claims(p), ["a"], "left, and the runtime directory was made")
    equal((p.dir / "run").stat().st_mode & 0o7777, 0o755, "its mode")
    equal((p.dir / "run/claims/a").read_text().split()[0], "1", "format")
    start("stop")
    equal(claims(p), [], "a stop takes it back")
    for name, text in (("a", "1 another-boot 4711 4711\n"), ("b", "nonsense"), (".9", "1")):
        (p.dir / "run/claims" / name).write_text(text)
    d = p.daemon()
    equal([d.state("a"), claims(p)], ["waiting", []], "another boot's are of no interest")
    # A unit whose file comes later.
    d.terminate()
    later = script(p, "later")
    subprocess.run([str(later), "start"], check=True)
    d = p.daemon()
    equal(claims(p), ["later"], "kept, until there is such a unit")
    p.unit("later", "description: d\nwhen: no file /nonexistent exists\ninit-script: later\n")
    d.ask("reload")
    d.until_state("later", "active")
    equal([ran(p, "later"), claims(p)], [["other start"], []], "it was not started again")
    d.terminate()
    # Nobody is led astray.
    shutil.rmtree(p.dir / "run")
    (p.dir / "elsewhere").mkdir()
    os.symlink(p.dir / "elsewhere", p.dir / "run")
    os.chmod(p.dir, 0o777)
    start()
    equal(list((p.dir / "elsewhere").iterdir()), [], "nothing behind a link that others can make")
    os.chmod(p.dir, 0o755)
    (p.dir / "run").unlink()
    os.environ["DEVMUX_RUNTIME_DIR"] = f"{p.dir}/no/such/place"
    tool = subprocess.run([str(p.build / "tools/devmux"), "guard", "a", "start"], capture_output=True, text=True, check=False)
    del os.environ["DEVMUX_RUNTIME_DIR"]
    equal([tool.returncode, tool.stderr], [0, ""], "where there is no place for one, it goes on in silence")


@test
def scripts_beside_each_other_all_leave_claims(p):
    """As startpar(1) runs them, before there is a runtime directory."""
    names = [f"s{i}" for i in range(8)]
    for name in names:
        script(p, name)
    for _ in range(20):
        shutil.rmtree(p.dir / "run", ignore_errors=True)
        running = [subprocess.Popen([str(p.root / "etc/init.d" / name), "start"]) for name in names]
        equal([r.wait(60) for r in running], [0] * len(names), "exit status")
        equal(claims(p), names, "claims")


@test
def who_reads_what_it_says_has_gone(p):
    """A pipe without a reader kills nobody: the answer is the exit status."""
    path = script(p, "a")
    p.unit("a", "description: d\ninit-script: a\n")
    p.daemon()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([str(path), "start"], stderr=writer, check=False)
    os.close(writer)
    equal([done.returncode, ran(p, "a")], [0, ["devmux start"]], "devmux ran it, and it alone")


@test
def a_stop_by_the_script_counts_as_by_hand(p):
    path = script(p, "a")
    p.unit("a", "description: d\nwhen: no file /nonexistent exists\ninit-script: a\n")
    d = p.daemon()
    d.until_state("a", "active")
    equal(subprocess.run([str(path), "stop"], check=False).returncode, 0, "exit status")
    unit = d.unit("a")
    equal([unit["state"], unit["hold"], unit["asked_by"]], ["waiting", "down", "a person"], "it is held")
    equal(ran(p, "a"), ["devmux start", "other stop"], "the script did it")
    subprocess.run([str(path), "start"], check=True)
    equal([d.state("a"), ran(p, "a")[2:]], ["active", ["devmux start"]], "and a start lets it go")
    d.ask("stop", "a")
    equal([d.unit("a")["hold"], ran(p, "a")[3:]], ["down", ["devmux stop"]], "devmux stop stops it once")
    d.ask("start", "a")
    os.kill(d.pid, signal.SIGSTOP)
    try:
        equal(subprocess.run([str(path), "stop"], check=False).returncode, 0, "nobody answers: it goes on")
    finally:
        os.kill(d.pid, signal.SIGCONT)


# What the manual has as ExecCondition=, after systemd has read it.
CONDITION = "{devmux} --runtime-dir {dir}/run guard {name} start || [ $? -ne 77 ]"


@test
def a_condition_of_systemd(p):
    """Process 1 is called systemd, and has the guard asked by a shell: 0 goes on, 1 to 254 skips the unit."""
    for name in ("unknown", "waits", "slow"):
        script(p, name)
    p.unit("waits", "description: d\nwhen: file /nonexistent exists\ncommand: {start: [/bin/true]}\n")
    p.unit("slow", "description: d\n" + p.command(stop=True, then=f"until [ -e {p.dir}/gate ]; do sleep 0.02; done"))
    devmux = f"{p.build}/tools/devmux"

    def asked(name, devmux=devmux):
        line = CONDITION.format(devmux=devmux, dir=p.dir, name=name)
        return f"sh -c '{line}'; echo {name} $? >>{p.dir}/conditions\n"

    m = Machine(p, asked("waits") + daemon_line(p) + asked("unknown") + asked("waits") + asked("waits", "/nonexistent/devmux") +
                f"{devmux} --runtime-dir {p.dir}/run start --no-wait slow\n" + asked("slow") + f"touch {p.dir}/gate\n" +
                f"{devmux} --runtime-dir {p.dir}/run start slow\n" + asked("slow"), init="systemd")
    m.until_booted()
    equal((p.dir / "conditions").read_text().splitlines(),
          ["waits 0", "unknown 0", "waits 1", "waits 0", "slow 0", "slow 1"],
          "no daemon; no unit of ours; left to us; no devmux; a start of ours; it has been started")
    m.halt()
    page = (p.build.parent / "man/devmux.1")
    if page.exists():
        text = page.read_text().replace("\\-", "-").replace("\\(aq", "'")
        contains(text, "ExecCondition=/bin/sh -c 'devmux guard bluez start || [ $$? -ne 77 ]'", "the manual's line")


# -- Debian's own scripts --------------------------------------------------------------------------

LINE = '{devmux} guard {name} "$1" || [ $? -ne 77 ] || exit 0\necho "${{DEVMUX_UNIT:-other}} $1" >>{dir}/{name}.calls\n'


def debian_scripts(p):
    """alsa-utils and mountnfs.sh as their packages have them, below the root, with the packager's line behind
    the header; what they read and call is the packages' own, or a stand-in that does nothing."""
    got = p.dir / "packages"
    got.mkdir()
    apt = lambda *words: subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", *words], cwd=got,
                                        capture_output=True, text=True, check=False)
    packages = ("alsa-utils", "initscripts")
    done = apt("download", *packages)
    if done.returncode != 0:  # there are no lists of packages, or old ones
        apt("update")
        done = apt("download", *packages)
    equal(done.returncode, 0, f"{packages} are fetched: {done.stderr}")
    for file in got.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(file), str(p.root)], check=True)
    for name in ("alsactl", "amixer"):
        p.program(name, "#!/bin/sh\nexit 0\n")
    devmux = client(p)
    for file, name in (("alsa-utils", "alsa"), ("mountnfs.sh", "mountnfs")):
        path = p.root / "etc/init.d" / file
        text = path.read_text().replace("/usr/sbin/alsactl", f"{p.bin}/alsactl")
        text = text.replace("PATH=/usr/local/sbin", f"PATH={p.bin}:/usr/local/sbin").replace("ALSACTLHOME=/run/alsa", f"ALSACTLHOME={p.dir}/alsa")
        for sourced in ("/usr/share/alsa/utils.sh", "/lib/init/mount-functions.sh"):
            text = text.replace(f". {sourced}", f". {p.root}{sourced}")
        head, end, rest = text.partition("### END INIT INFO\n")
        check(end and "case \"$1\" in" in rest, f"{file} is as it was known", text)
        path.write_text(head + end + LINE.format(devmux=devmux, name=name, dir=p.dir) + rest)
        path.chmod(0o755)
        for parent in path.parents[:3]:
            parent.chmod(0o755)
    # The unit's condition asks for what the test makes; alsa here is no each-event unit, as the shipped one.
    p.unit("alsa", f"description: d\nwhen: file /sound exists\ninit-script: alsa-utils\ntask: true\n")
    p.unit("mountnfs", f"description: d\nwhen: file /net exists\ninit-script: mountnfs.sh\ntask: true\n")
    return {"alsa": p.root / "etc/init.d/alsa-utils", "mountnfs": p.root / "etc/init.d/mountnfs.sh"}


@test
def debians_own_scripts(p):
    """Before, beside and after a daemon, by sh and by sh -e: one runs them, once."""
    scripts = debian_scripts(p)

    def by_hand(name, *shell):
        before = len(ran(p, name))
        done = subprocess.run([*shell, str(scripts[name]), "start"], capture_output=True, text=True, check=False)
        equal(done.returncode, 0, f"{name}: exit status\n{done.stdout}{done.stderr}")
        return ran(p, name)[before:]

    for name in scripts:
        for shell in (["sh"], ["sh", "-e"]):
            equal(by_hand(name, *shell), ["other start"], f"{name}, {shell}, before the daemon")
    d = p.daemon(root=True)
    for name in scripts:
        for shell in (["sh"], ["sh", "-e"]):
            equal(by_hand(name, *shell), [f"{name} start"], f"{name}, {shell}: the daemon runs it")
        equal(d.state(name), "done", f"{name} is done")
    d.kill()
    for name in scripts:
        equal(by_hand(name, "sh"), ["other start"], f"{name}, after the daemon")


@test
def debians_own_scripts_in_the_boot_sequence(p):
    scripts = debian_scripts(p)
    orders = " ".join(map(str, scripts.values()))
    m = Machine(p, f"{p.dir}/rc {orders}\n" + daemon_line(p) + f"{p.dir}/rc {orders}\ntouch {p.root}/net\n"
                f"until grep -q mountnfs {p.dir}/mountnfs.calls; do sleep 0.05; done\n"
                f"{p.dir}/rc {orders}\nkill -9 $(cat {p.dir}/daemon.pid)\n{p.dir}/rc {orders}\n")
    m.until_booted()
    equal({status for _, status in rc_scripts(p)}, {0}, f"all ended well\n{m.log()}")
    # Without a daemon; left to it, which knows of the first; run by it once there is a net; without a daemon again.
    equal(ran(p, "mountnfs"), ["other start", "mountnfs start", "other start"], "who ran mountnfs.sh")
    equal(ran(p, "alsa"), ["other start", "other start"], "who ran alsa-utils, whose condition never held")
    m.halt()
