"""Services: init scripts in Debian's style, policy-rc.d, what runs already, daemons, dev.d, users."""
import os
import random
import time

from checks import check, contains, equal, eventually, test

# A script as Debian's packages have them: LSB functions, start-stop-daemon, a status. Its service is a
# copy of sleep(1), so that nothing of the machine's has its name. Calls of start and stop are counted.
DEBIAN_SCRIPT = """#!/bin/sh
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: sleeps
### END INIT INFO
DAEMON={daemon}
PIDFILE={dir}/{name}.pid
. /lib/lsb/init-functions
echo "$1" >>{dir}/{name}.calls
case "$1" in
  start)
    log_daemon_msg "Starting {name}"
    start-stop-daemon --start --quiet --background --make-pidfile --pidfile $PIDFILE --exec $DAEMON -- 1000
    log_end_msg $?
    ;;
  stop)
    start-stop-daemon --stop --quiet --retry 5 --pidfile $PIDFILE --exec $DAEMON
    rm -f $PIDFILE
    ;;
  status)
    status_of_proc -p $PIDFILE $DAEMON {name} && exit 0 || exit $?
    ;;
  *)
    echo "Usage: $0 {{start|stop|status}}" >&2
    exit 3
    ;;
esac
"""


def debian_script(p, name):
    """The script, and what gives the pid of its service or None."""
    daemon = p.bin / f"{name}d"
    daemon.write_bytes(open("/bin/sleep", "rb").read())
    daemon.chmod(0o755)
    p.program(name, DEBIAN_SCRIPT.format(name=name, daemon=daemon, dir=p.dir), p.root / "etc/init.d")

    def pid():
        file = p.dir / f"{name}.pid"
        number = int(file.read_text() or 0) if file.exists() else 0
        if number:
            p.owns_process(number)
        return number or None
    return pid


def calls(p, name):
    file = p.dir / f"{name}.calls"
    return file.read_text().split() if file.exists() else []


def policy(p, text):
    folder = p.root / "usr/sbin"
    folder.mkdir(parents=True, exist_ok=True)
    return p.program("policy-rc.d", f"#!/bin/sh\n{text}\n", folder)


def linked(p, name, script, more=""):
    p.unit(name, f"description: d\nwhile: 'network interface[name = \"{p.name(name)}\"]'\ninit-script: {script}\n{more}")


@test
def a_debian_script_starts_runs_and_stops(p):
    pid = debian_script(p, "sleeper")
    linked(p, "a", "sleeper")
    d = p.daemon()
    link = p.add_link("a")
    d.until_state("a", "active")
    equal(calls(p, "sleeper"), ["status", "start"], "it is asked, does not run, and is started")
    check(os.path.exists(f"/proc/{eventually(pid, 'it has a pid')}"), "the service runs")
    p.del_link(link)
    d.until_state("a", "waiting")
    equal(calls(p, "sleeper"), ["status", "start", "stop"], "calls")
    equal(pid(), None, "the service is gone")


@test
def what_runs_already_is_not_started_again(p):
    pid = debian_script(p, "sleeper")
    script = p.root / "etc/init.d/sleeper"
    equal(os.system(f"{script} start >/dev/null"), 0, "started by somebody else")
    first = eventually(pid, "it has a pid")
    p.unit("skip", "description: d\ninit-script: sleeper\n")
    p.unit("error", "description: d\ninit-script: sleeper\nif-running: error\n")
    p.unit("run", "description: d\ninit-script: sleeper\nif-running: run\n")
    d = p.daemon()
    d.ask("start", "skip")
    equal(d.state("skip"), "active", "it counts as started")
    contains(d.log_text(), "runs already: counts as started", "the log says so")
    contains(d.ask("start", "error", code=1).stderr, "if-running: error", "why")
    equal(d.state("error"), "failed", "an error if it is said to be one")
    equal(calls(p, "sleeper"), ["start", "status", "status"], "nobody started it")
    d.ask("start", "run", code=None)
    equal(calls(p, "sleeper")[3:], ["start"], "started without a question")
    equal(pid(), first, "start-stop-daemon knows it")


@test
def policy_rc_d_forbids_with_its_reason(p):
    pid = debian_script(p, "sleeper")
    policy(p, f'echo "$@" >>{p.dir}/asked\n[ ! -e {p.dir}/forbid ] || exit 101')
    (p.dir / "forbid").touch()
    p.unit("a", "description: d\ninit-script: sleeper\n")
    p.unit("c", "description: d\n" + p.command(stop=True))
    d = p.daemon()
    contains(d.ask("start", "a", code=1).stderr, "policy-rc.d forbids start of sleeper", "why")
    contains(d.ask("status", "a", code=1).stdout, "policy-rc.d forbids start of sleeper", "status says why")
    equal([calls(p, "sleeper"), pid()], [[], None], "the script was not called")
    d.ask("start", "c")
    equal((p.dir / "asked").read_text(), "sleeper start\n", "who is asked, and about what: no command")
    (p.dir / "forbid").unlink()
    d.ask("start", "a")
    eventually(pid, "it has a pid")
    (p.dir / "forbid").touch()
    d.ask("stop", "a", code=None)
    contains(d.unit("a")["last_end"], "policy-rc.d forbids stop of sleeper", "a stop is asked for, too")
    check(os.path.exists(f"/proc/{pid()}"), "it runs on")


@test
def killed_while_somebody_is_asked(p):
    """Between policy-rc.d, the status and the script: killed at each, everything is started once."""
    gate = p.dir / "gate"
    policy(p, f"until [ -e {gate}.policy ]; do sleep 0.02; done")
    p.program("slow", f"""#!/bin/sh
echo "$1" >>{p.dir}/slow.calls
case "$1" in
  status) [ ! -e {p.dir}/started ] || exit 0; until [ -e {gate}.status ]; do sleep 0.02; done; exit 3 ;;
esac
until [ -e {gate}.start ]; do sleep 0.02; done
: >{p.dir}/started
""", p.root / "etc/init.d")
    linked(p, "a", "slow")
    p.add_link("a")
    d = p.daemon()
    d.until_state("a", "starting")
    d.kill()
    d = p.daemon()
    d.until_state("a", "starting")
    (p.dir / "gate.policy").touch()
    eventually(lambda: calls(p, "slow") == ["status"], "it asks whether it runs")
    d.kill()
    d = p.daemon()
    eventually(lambda: calls(p, "slow") == ["status"] * 2, "it asks again")
    (p.dir / "gate.status").touch()
    eventually(lambda: calls(p, "slow") == ["status"] * 2 + ["start"], "it starts")
    d.kill()
    d = p.daemon()
    d.until_state("a", "starting")
    (p.dir / "gate.start").touch()
    d.until_state("a", "active")
    # Nobody saw the end of that start: whether it runs is what its status says.
    equal(calls(p, "slow"), ["status"] * 2 + ["start", "status"], "and is started once")


# -- daemons --------------------------------------------------------------------------------------

# Says when it began, and stays until it is told to end; SIGTERM is noted.
STAYS = """#!/bin/sh
echo "$$" >>{dir}/{name}.begun
trap 'echo "$$" >>{dir}/{name}.ended; exit 0' TERM
{then}
while :; do sleep 0.05; done
"""


def daemon_program(p, name, then=""):
    return p.program(name, STAYS.format(dir=p.dir, name=name, then=then))


def pids(p, name, what="begun"):
    file = p.dir / f"{name}.{what}"
    found = [int(pid) for pid in file.read_text().split()] if file.exists() else []
    for pid in found:
        p.owns_process(pid)
    return found


@test
def a_daemon_runs_is_shown_and_is_told_to_stop(p):
    program = daemon_program(p, "d")
    p.unit("d", f"description: d\nwhile: 'network interface[name = \"{p.name('d')}\"]'\ndaemon: [{program}]\n")
    d = p.daemon()
    link = p.add_link("d")
    d.until_state("d", "active")
    eventually(lambda: pids(p, "d"), "it runs")
    equal(d.unit("d")["pid"], pids(p, "d")[0], "the process that is the service")
    contains(d.ask("status", "d").stdout, f"daemon {program}", "what it is")
    p.del_link(link)
    d.until_state("d", "waiting")
    equal(pids(p, "d", "ended"), pids(p, "d"), "SIGTERM ended it")
    check(not os.path.exists(f"/proc/{pids(p, 'd')[0]}"), "it is gone")


@test
def ready_is_when_it_says_so(p):
    """By systemd-notify(1) of a shell script, which speaks for its parent."""
    gate = p.dir / "gate"
    program = daemon_program(p, "d", f"until [ -e {gate} ]; do sleep 0.02; done\nsystemd-notify --ready")
    p.unit("d", f"description: d\ndaemon: [{program}]\nready: notify\n")
    d = p.daemon()
    d.ask("start", "--no-wait", "d")
    eventually(lambda: pids(p, "d"), "it runs")
    equal(d.state("d"), "starting", "it has not said so yet")
    gate.touch()
    d.until_state("d", "active")
    d.ask("stop", "d")
    equal(d.state("d"), "waiting", "stopped")
    # One that ends before it is ready has failed, with status 0 as well.
    p.unit("q", f"description: q\ndaemon: [{p.program('quick', '#!/bin/sh' + chr(10))}]\nready: notify\n")
    d.ask("reload")
    contains(d.ask("start", "q", code=1).stderr, "exited with status 0 before it was ready", "why")


@test
def a_daemon_that_dies_is_started_again_and_not_for_ever(p):
    program = daemon_program(p, "d")
    p.unit("d", f"description: d\ndaemon: [{program}]\nrestart: {{policy: on-failure, delay: 100ms, limit: 3}}\n")
    crash = p.program("crash", f"#!/bin/sh\necho x >>{p.dir}/crashes\nexit 5\n")
    p.unit("c", f"description: c\ndaemon: [{crash}]\nrestart: {{policy: always, delay: 100ms, limit: 3}}\n")
    d = p.daemon()
    d.ask("start", "d")
    eventually(lambda: pids(p, "d"), "it runs")
    os.kill(pids(p, "d")[0], 9)
    eventually(lambda: len(pids(p, "d")) == 2, "it is started again", d.log_text)
    d.until_state("d", "active")
    contains(d.log_text(), "was killed by signal 9 (Killed): it is started again in 100ms (1 of 3)", "the log says so")
    os.kill(pids(p, "d")[1], 15)
    d.until_state("d", "done")  # it ended well, by itself
    d.ask("start", "c", code=None)
    d.until_state("c", "failed")
    equal((p.dir / "crashes").read_text().split(), ["x"] * 4, "once, and three times again")
    contains(d.unit("c")["last_end"], "exited with status 5; it was started again 3 times in a row", "why no more")
    contains(d.ask("start", "c", code=None).stderr + d.ask("status", "c", code=None).stdout, "status 5", "by hand anew")


@test
def daemons_outlive_devmuxd_and_are_adopted(p):
    stays, dies = daemon_program(p, "stays"), daemon_program(p, "dies")
    p.unit("stays", f"description: d\ndaemon: [{stays}]\nrestart: always\n")
    p.unit("dies", f"description: d\ndaemon: [{dies}]\n")
    p.unit("again", f"description: d\ndaemon: [{daemon_program(p, 'again')}]\nrestart: {{policy: on-failure, delay: 100ms}}\n")
    d = p.daemon()
    names = ("stays", "dies", "again")
    for name in names:
        d.ask("start", name)
        eventually(lambda n=name: pids(p, n), "it runs")
    d.kill()
    for name in ("dies", "again"):
        os.kill(pids(p, name)[0], 9)
    d = p.daemon()
    d.until_state("dies", "failed")
    contains(d.unit("dies")["last_end"], "ended while nobody watched", "why")
    eventually(lambda: len(pids(p, "again")) == 2, "it is started again", d.log_text)
    d.until_state("again", "active")
    equal([d.state("stays"), d.unit("stays")["pid"]], ["active", pids(p, "stays")[0]], "adopted")
    d.kill()
    d = p.daemon()
    os.kill(pids(p, "stays")[0], 9)  # its end is seen, though it is not our child
    eventually(lambda: len(pids(p, "stays")) == 2, "it is started again", d.log_text)
    d.until_state("stays", "active")
    d.ask("stop", "stays", "again")
    equal([len(pids(p, n)) for n in names], [2, 1, 2], "nothing ran more often")


@test
def killed_while_a_daemon_stops(p):
    slow = p.program("slow", f"""#!/bin/sh
echo "$$" >>{p.dir}/slow.begun
trap 'until [ -e {p.dir}/gate ]; do sleep 0.02; done; exit 0' TERM
while :; do sleep 0.05; done
""")
    p.unit("slow", f"description: d\ndaemon: [{slow}]\nrestart: always\n")
    d = p.daemon()
    d.ask("start", "slow")
    eventually(lambda: pids(p, "slow"), "it runs")
    d.ask("stop", "--no-wait", "slow")
    d.until_state("slow", "stopping")
    d.kill()
    d = p.daemon()
    d.until_state("slow", "stopping")
    (p.dir / "gate").touch()
    d.until_state("slow", "waiting")
    equal([len(pids(p, "slow")), d.unit("slow")["hold"]], [1, "down"], "stopped once, and held down")


@test
def a_start_that_fails_is_tried_again(p):
    p.unit("t", "description: t\nrestart: {policy: on-failure, delay: 100ms, limit: 5}\n" +
           p.command(then=f"[ -e {p.dir}/good ] || {{ [ $(ls {p.out} | wc -l) -ge 3 ] && touch {p.dir}/good; exit 1; }}"))
    d = p.daemon()
    d.ask("start", "t", code=None)
    d.until_state("t", "done")
    equal(len(p.runs("t")), 4, "runs")


# -- folders of scripts, and users ----------------------------------------------------------------

@test
def old_scripts_run_once_per_event_and_unmodified(p):
    """Scripts as dev.d(8) and hotplug(8) had them: the subsystem as their argument, the rest as variables."""
    folder, out = p.dir / "dev.d", p.dir / "said"
    name = p.name("d")
    for place in ("default", "net", name):
        (folder / place).mkdir(parents=True)
    text = '#!/bin/sh\ntest "$1" != "net" && exit\necho "{n} $1 $ACTION $INTERFACE" >>' + str(out) + "\n"
    for place, script in (("default", "10-all.dev"), ("default", "9-hot.hotplug"), ("net", "n.dev"), (name, "own.dev")):
        p.program(script, text.format(n=script), folder / place)
    p.program("5-bad.dev", "#!/bin/sh\nexit 3\n", folder / "default")
    p.unit("devd", f"description: d\neach-event: 'network interface[name = \"{name}\"]'\nscripts: {folder}\n")
    d = p.daemon()
    p.add_link("d")
    expected = [f"{s} net add {name}" for s in ("own.dev", "n.dev", "10-all.dev", "9-hot.hotplug")]
    eventually(lambda: out.exists() and len(out.read_text().splitlines()) >= 4, "they ran", d.log_text)
    d.until_state("devd", "waiting")
    equal(out.read_text().splitlines(), expected, "in this order")
    p.del_link(name)
    eventually(lambda: len(out.read_text().splitlines()) >= 8, "at the removal, too", d.log_text)
    d.until_state("devd", "waiting")
    equal(out.read_text().splitlines()[4:], [e.replace(" add ", " remove ") for e in expected], "once each")
    contains(d.ask("status", "devd").stdout, f"scripts {folder}", "what it is")


@test
def a_killed_daemon_loses_no_script_of_an_event(p):
    folder, name, gate = p.dir / "dev.d", p.name("d"), p.dir / "gate"
    (folder / "net").mkdir(parents=True)
    for script in "abc":
        p.program(f"{script}.dev", f"#!/bin/sh\necho {script} >>{p.dir}/said\n"
                                   f"until [ -e {gate} ]; do sleep 0.02; done\n", folder / "net")
    p.unit("devd", f"description: d\neach-event: 'network interface[name = \"{name}\"]'\nscripts: {folder}\n")
    d = p.daemon()
    p.add_link("d")
    eventually((p.dir / "said").exists, "the first runs")
    d.kill()
    d = p.daemon()
    gate.touch()
    eventually(lambda: (p.dir / "said").read_text().split() == list("abc"), "the others follow, once each")
    d.until_state("devd", "waiting")
    d.barrier()
    equal((p.dir / "said").read_text().split(), list("abc"), "and not again")


@test
def programs_run_as_their_user(p):
    (p.root / "etc").mkdir(exist_ok=True)
    (p.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nsome:x:54321:54322::/home/some:/bin/sh\n")
    (p.root / "etc/group").write_text("more:x:54323:some\n")
    said = p.program("who", '#!/bin/sh\necho "$(id -u) $(id -g) $(id -G) $HOME $USER"\n')
    stays = p.program("stays", "#!/bin/sh\nwhile :; do sleep 0.05; done\n")
    p.unit("u", f"description: u\nuser: some\ncommand: {{start: [{said}]}}\n")
    p.unit("d", f"description: d\nuser: some\ndaemon: [{stays}]\n")
    p.unit("nobody", f"description: u\nuser: nobody-there\ncommand: {{start: [{said}]}}\n")
    d = p.daemon()
    d.ask("start", "u")
    d.until_log("54321 54322 54322 54323 /home/some some")
    d.ask("start", "d")
    pid = d.unit("d")["pid"]
    p.owns_process(pid)
    eventually(lambda: os.stat(f"/proc/{pid}").st_uid == 54321, "the daemon is that user's")
    d.ask("stop", "d")
    equal(d.state("d"), "waiting", "and can be told to stop")
    contains(d.ask("start", "nobody", code=1).stderr, 'there is no user "nobody-there"', "why not")


@test
def daemons_begin_once_through_many_kills(p):
    """Killed at 25 moments while daemons come, say that they are ready, and go: none begins twice, none is lost."""
    names = [f"m{i}" for i in range(10)]
    for i, name in enumerate(names):
        then = "sleep 0.1\nsystemd-notify --ready" if i % 2 else ""
        program = daemon_program(p, name, then)
        p.unit(name, f"description: d\nwhile: 'network interface[name = \"{p.name(name)}\"]'\n"
                     f"daemon: [{program}]\nready: {'notify' if i % 2 else 'start'}\n")
    d = p.daemon(wait=False)
    for kill in range(25):
        if kill < len(names):
            p.add_link(names[kill])
        elif kill < len(names) + 5:
            p.del_link(p.name(names[kill - len(names)]))
        time.sleep(random.uniform(0, 0.15))  # the moment is the test
        d.kill()
        d = p.daemon(wait=False)
    d.until_up()
    for name in names[5:]:
        d.until_state(name, "active")
    for name in names[:5]:
        d.until_state(name, "waiting")
    equal({name: len(pids(p, name)) for name in names}, {name: 1 for name in names}, "how often each began")
    equal([d.unit(name)["pid"] for name in names[5:]], [pids(p, name)[0] for name in names[5:]], "they run on")
    # Not by /proc: who has no parent any more may stay there as a zombie, where nobody reaps it.
    equal([pids(p, name, "ended") for name in names[:5]], [pids(p, name) for name in names[:5]],
          "the others were told to end")


@test
def refresh_reloads_when_devices_change(p):
    """Interfaces that come and go under a command, a daemon, and init scripts with and without a reload."""
    refresh = f"refresh: 'network interface[name ~ \"{p.name('r')}*\" and name !~ \"*Q\"]'\n"
    program = p.record_with("served", f"[ \"$1\" = reload ] || exit 0; [ ! -e {p.out}/.slow ] || "
                                      f"until [ -e {p.out}/.gate ]; do sleep 0.02; done; [ ! -e {p.out}/.bad ] || exit 4")
    p.unit("command", refresh + f"command: {{start: [{program}, start], stop: [{program}, stop], reload: [{program}, reload]}}\n")
    stays = p.program("stays", f"#!/bin/sh\ntrap 'echo HUP >>{p.dir}/hups' HUP\ntrap 'exit 0' TERM\ntouch {p.dir}/trapped\n"
                               "while :; do sleep 0.02; done\n")
    p.unit("daemon", refresh + f"reload: signal\ndaemon: [{stays}]\n")
    p.unit("restarts", refresh + "init-script: plain\n")
    p.init_script("plain")
    p.program("able", f"#!/bin/sh\necho $1 >>{p.dir}/able.calls\ncase $1 in\nstart|stop|reload) ;;\nesac\n", p.root / "etc/init.d")
    p.unit("able", refresh + "init-script: able\n")
    p.add_link("r0", kind="bridge")
    d = p.daemon()
    d.ask("start", "command", "daemon", "restarts", "able")
    eventually((p.dir / "trapped").exists, "the daemon hears signals")
    equal([r.argv[0] for r in p.runs()], ["start", "start"], "what is there at the start is no change")
    p.add_link("r1", kind="bridge")
    p.until_runs("command", 1, "reload")
    p.until_runs("restarts", 2, "start")
    eventually(lambda: (p.dir / "hups").exists(), "SIGHUP")
    eventually(lambda: calls(p, "able") == ["start", "reload"], "the script's own reload", lambda: calls(p, "able"))
    d.until_state("restarts", "active")
    equal([r.argv[0] for r in p.runs("restarts")], ["start", "stop", "start"], "a script without one is restarted")
    eventually(lambda: d.unit("command")["last_reload"] == "exited with status 0", "told")
    # A burst, while one runs: one more. Killed meanwhile: watched to its end, and the other one is not forgotten.
    (p.out / ".slow").touch()
    p.add_link("r2", kind="bridge")
    p.until_runs("command", 2, "reload")
    for name in ("r3", "r4", "r5"):
        p.add_link(name, kind="bridge")
    d.barrier()
    d.kill()
    d = p.daemon()
    equal(len(p.runs("command", "reload")), 2, "it is not begun again beside itself")
    (p.out / ".gate").touch()
    p.until_runs("command", 3, "reload")
    d.barrier()
    eventually(lambda: d.unit("command")["last_reload"] == "exited with status 0", "at rest")
    equal(len(p.runs("command", "reload")), 3, "one for all")
    # What goes while no daemon runs is found, and a failure is told.
    d.kill()
    p.del_link(p.name("r5"))
    (p.out / ".bad").touch()
    d = p.daemon()
    p.until_runs("command", 4, "reload")
    eventually(lambda: d.unit("command")["reload_failed"], "the failure is told")
    equal([d.state("command"), d.unit("command")["last_reload"]], ["active", "exited with status 4"], "it runs on")
    contains(d.ask("refresh", "command", code=1).stderr, "the reload exited with status 4", "by hand")
    (p.out / ".bad").unlink()
    d.ask("refresh", "command")
    equal([r.argv[0] for r in p.runs("command")], ["start"] + ["reload"] * 6, "all of it")
    policy(p, "[ \"$2\" != reload ] || exit 101")
    contains(d.ask("refresh", "able", code=1).stderr, "policy-rc.d forbids reload of able", "policy")
    d.ask("stop", "command", "daemon", "restarts", "able")
    contains(d.ask("refresh", "command", code=5).stderr, "does not run", "nothing to reload")
    p.add_link("r6", kind="bridge")
    d.barrier()
    equal(len(p.runs("command", "reload")), 6, "who does not run is not reloaded")


# -- what is not installed -------------------------------------------------------------------------

@test
def what_is_not_installed(p):
    """Skipped, and no error; found at a reload, by a new daemon; an error to a person, and without the key."""
    when = "description: d\nwhen: file /go exists\ninit-script: {}\n"
    p.unit("quiet", when.format("quiet") + "if-missing: skip\nrestart: on-failure\n")
    p.unit("later", when.format("later") + "if-missing: skip\n")
    p.unit("loud", when.format("loud"))
    p.unit("event", "description: d\neach-event: disk\ncommand: {start: [/nowhere/event]}\n")
    p.unit("waits", "description: d\nwhen: file /nowhere/waits exists\ncommand: {start: [/nowhere/waits]}\n")
    p.unit("nowhere", "description: d\nwhen: file /go exists\nsystemd: nowhere.service\nif-missing: skip\n")
    d = p.daemon()
    (p.root / "go").touch()
    d.until_state("loud", "failed")
    missing = f"not installed: {p.root}/etc/init.d/quiet is missing"
    for unit, why in (("quiet", missing), ("nowhere", "systemd does not run on this machine")):
        d.until_state(unit, "skipped")
        contains(d.ask("status").stdout, why, "status")
        contains(d.log_text(), f"{unit}: skipped: {why}", "the log")
    contains(d.ask("start", "quiet", code=1).stderr, missing, "a person")
    equal(d.state("quiet"), "failed", "who asked for it")
    p.init_script("later")
    d.ask("reload")
    d.until_state("later", "active")
    p.init_script("quiet")
    d.ask("start", "quiet")
    equal([d.state("nowhere"), len(p.runs("later")), len(p.runs("quiet"))], ["skipped", 1, 1], "each once")
    note = d.ask("check", p.units / "loud.yaml").stdout
    contains(note, "note: /etc/init.d/loud is not there on this machine", "check")
    contains(note, "if-missing: skip", "what may be done")
    event = d.ask("check", p.units / "event.yaml").stdout
    contains(event, "note: /nowhere/event is not there", "an each-event unit")
    equal(["if-missing" in event, "note:" in d.ask("check", p.units / "waits.yaml").stdout], [False, False],
          "it cannot have that key; and what the condition waits for is no news")
    contains(note, "0 errors, 0 warnings", "which is about the machine, and not the file")


@test
def who_was_chosen(p):
    """chosen-by: the script of the program that a file names, read at the start and by a reload."""
    for name in ("gdm3", "xdm", "lightdm"):
        p.init_script(name)
    choice = p.root / "etc/X11/default-display-manager"
    choice.parent.mkdir(parents=True)
    choice.write_text("/usr/bin/xdm\n")
    p.unit("dm", "description: d\nwhen: file /go exists\ninit-script: gdm3\nchosen-by: /etc/X11/default-display-manager\n")
    d = p.daemon()
    equal(d.unit("dm")["service"], "init-script xdm", "chosen")
    choice.write_text("/usr/sbin/lightdm\n")
    equal(d.json("reload")["changed"], ["dm"], "another choice")
    (p.root / "go").touch()
    d.until_state("dm", "active")
    equal([r.argv for r in p.runs("dm")], [["start"]], "runs")
    choice.write_text("nonsense\n")
    d.ask("reload")
    contains(d.ask("status", "dm").stdout, "names no program", "a warning")
    equal(d.unit("dm")["service"], "init-script lightdm", "what runs")
    d.kill()
    d = p.daemon()
    d.until_log("its script is lightdm until it has stopped, and then gdm3")
    equal([d.state("dm"), d.unit("dm")["service"]], ["active", "init-script lightdm"], "what runs, for a new daemon")
    d.ask("stop", "dm")
    equal(d.unit("dm")["service"], "init-script gdm3", "the unit's own, once that has stopped")
