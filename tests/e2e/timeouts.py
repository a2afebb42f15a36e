"""Jobs that take too long: warned about and named, overdue, and killed only where the unit asks for it."""
from checks import check, contains, equal, eventually, test


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def pid_in(p, name):
    """The process whose number a script has written, which goes with the test."""
    path = p.out / f".{name}"
    text = eventually(lambda: path.exists() and path.read_text().strip(), f"{name} is written")
    p.owns_process(int(text))
    return int(text)


def begun(p, d, unit, text):
    """Starts a unit, and waits for the file that its script writes when it has got to where it stays."""
    p.unit(unit, text)
    d.ask("reload")
    d.ask("start", "--no-wait", unit)
    return pid_in(p, unit)


def limited(p, d, unit, text, limits):
    """Now, and not before, it has little time: nothing here depends on how quick the machine is."""
    p.unit(unit, f"{text}timeout: {limits}\n")
    d.ask("reload")


def line_of(d, text):
    """The first line of the log with this text, and its place."""
    d.until_log(text)
    return next((i, line) for i, line in enumerate(d.log_text().splitlines()) if text in line)


@test
def who_is_slow_is_named_and_overdue_and_lives(p):
    p.unit("slow", p.command(stop=True, then=f"until [ -e {p.out}/.gate ]; do sleep 0.05; done") +
           "timeout: {start: 600ms, warn: 200ms, stop: 1m}\n")
    d = p.daemon()
    d.ask("start", "--no-wait", "slow")
    pid = eventually(lambda: d.unit("slow")["pid"], "the job runs")
    warned, line = line_of(d, "slow: its start has run for ")
    contains(line, f"of the 600ms allowed: r0 (pid {pid})", "the warning")
    overdue, line = line_of(d, "slow: its start is overdue: 600ms was allowed; ")
    check(warned < overdue, "first the warning", d.log_text())
    found = d.until_state("slow", "overdue")
    equal([found["wanted"], found["pid"]], ["up", pid], "it is overdue, and goes on")
    contains(found["remark"], "of the 600ms allowed: ", "what it waits in")
    for listing in (["status"], ["list"], ["status", "slow"]):
        contains(d.ask(*listing).stdout, "overdue", f"devmux {listing[0]}")
    contains(d.ask("status").stdout, "of the 600ms allowed", "the list says why")
    equal(d.status()["units"], {"overdue": 1}, "the count")
    contains(d.ask("start", "--timeout", "100ms", "slow", code=124).stderr, "not at rest", "it is not at rest")
    d.ask("reload")
    equal(d.state("slow"), "overdue", "after a reload")
    (p.out / ".gate").touch()
    found = d.until_state("slow", "active")
    equal([found["remark"], found["last_end"]], ["", "exited with status 0"], "it ended well")
    check("SIG" not in d.log_text(), "nobody was killed", d.log_text())
    equal(len(p.runs("slow")), 1, "runs")


@test
def a_hanging_script_gets_sigterm(p):
    name = p.add_link("v", kind="bridge")
    p.unit("hangs", f"when: 'network interface[name = \"{name}\"]'\n" + p.command(then="sleep 1000; sleep 1000") +
           "timeout: {start: 300ms, then: kill}\n")
    d = p.daemon()
    found = d.until_state("hangs", "failed")
    equal(found["last_end"], "was killed by signal 15 (Terminated)", "its end")
    _, line = line_of(d, "hangs: SIGTERM sent to r0 (pid ")
    for part in ("), sleep (pid ", "its start is overdue: 300ms was allowed", f"(device /devices/virtual/net/{name})"):
        contains(line, part, "the signal with unit, processes, device and reason")
    check("SIGKILL" not in d.log_text(), "it has ended: no SIGKILL", d.log_text())
    equal(len(p.runs("hangs")), 1, "the script did not go on with its next line")


@test
def who_ignores_sigterm_gets_sigkill(p):
    scripts = {"deaf": f"trap '' TERM; echo $$ >{p.out}/.deaf; sleep 1000; sleep 1000",
               "busy": f"trap '' TERM; echo $$ >{p.out}/.busy; while :; do :; done",
               "warned": f"trap 'exit 3' TERM; echo $$ >{p.out}/.warned; while :; do sleep 0.1; done"}
    texts = {unit: p.command(then=script) for unit, script in scripts.items()}
    d = p.daemon()
    pids = {unit: begun(p, d, unit, text) for unit, text in texts.items()}
    for unit, text in texts.items():
        limited(p, d, unit, text, f"{{start: 100ms, then: {'terminate' if unit == 'warned' else 'kill'}}}")
    equal(d.until_state("warned", "failed")["last_end"], "exited with status 3", "it was asked, and ended in its own way")
    for unit in ("deaf", "busy"):
        equal(d.until_state(unit, "failed")["last_end"], "was killed by signal 9 (Killed)", f"the end of {unit}")
        term, _ = line_of(d, f"{unit}: SIGTERM sent to ")
        kill, line = line_of(d, f"{unit}: SIGKILL sent to ")
        check(term < kill, "first SIGTERM", d.log_text())
        contains(line, "its start is overdue: 100ms was allowed", "the reason")
        check(gone(pids[unit]), "it is dead")


@test
def a_job_that_leaves_a_daemon_behind(p):
    text = p.command(then=f"""
setsid -f sh -c 'echo $$ >{p.out}/.daemon.new; mv {p.out}/.daemon.new {p.out}/.daemon; exec sleep 1001'
(sh -c 'echo $$ >{p.out}/.stray.new; mv {p.out}/.stray.new {p.out}/.stray; exec sleep 1002' &)
until [ -e {p.out}/.daemon ] && [ -e {p.out}/.stray ]; do sleep 0.05; done
echo $$ >{p.out}/.starter
sleep 1003""")
    d = p.daemon()
    begun(p, d, "starter", text)
    daemon, stray = pid_in(p, "daemon"), pid_in(p, "stray")
    limited(p, d, "starter", text, "{start: 100ms, then: kill}")
    d.until_state("starter", "failed")
    eventually(lambda: gone(stray), "who lost its parent and kept the session is of the job")
    check(not gone(daemon), "who has a session of its own is the service, and lives")
    _, line = line_of(d, "SIGTERM sent to")
    check(f"(pid {daemon})" not in line, "it got no signal", line)


@test
def runs_for_events_and_stops_have_their_time_too(p):
    link = f"'network interface[name = \"{p.name('v')}\"]'"
    p.unit("each", f"each-event: {link}\nactions: [add]\n" + p.command(then="sleep 1000") +
           "timeout: {start: 300ms, then: terminate}\n")
    p.unit("halts", f"while: {link}\n" + p.command(stop=True, then='[ "$1" = start ] || sleep 1000') +
           "timeout: {stop: 300ms, then: terminate}\n")
    d = p.daemon()
    p.add_link("v", kind="bridge")
    d.until_state("halts", "active")
    d.until_log("each: SIGTERM sent to ")
    d.until_log("each: was killed by signal 15")
    d.until_state("each", "waiting")
    p.del_link(p.name("v"))
    d.until_log("halts: SIGTERM sent to ")
    d.until_log("its stop is overdue: 300ms was allowed")
    d.until_state("halts", "failed")


@test
def a_job_of_a_former_engine(p):
    text = p.command(then=f"echo $$ >{p.out}/.job; sleep 1000")
    d = p.daemon()
    pid = begun(p, d, "job", text)
    d.kill()
    check(not gone(pid), "it runs on")
    p.unit("job", text + "timeout: {start: 500ms, then: kill}\n")
    d = p.daemon()
    d.until_log("job: SIGTERM sent to r0")
    eventually(lambda: gone(pid), "the adopted job is killed, too")
    eventually(lambda: d.state("job") not in ("starting", "overdue"), "its end is seen")
    equal(len(p.runs("job")), 1, "runs")
