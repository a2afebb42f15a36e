"""People and time: start, stop, restart and reset, restarts, signals, dry runs, sources."""
import os
import signal

from checks import check, contains, equal, eventually, test


def while_link(p, name="v", **more):
    return f"description: d\nwhile: 'network interface[name = \"{p.name(name)}\"]'\n" + p.command(stop=True, **more)


@test
def start_stop_reset(p):
    p.unit("w", while_link(p))
    p.unit("hand", p.command(stop=True))
    d = p.daemon()
    d.ask("start", "w", "hand")
    equal([d.state("w"), d.unit("w")["hold"], d.state("hand")], ["active", "up", "active"], "started against its condition")
    equal(p.runs("w")[0].env["DEVMUX_REASON"], "by hand", "reason")
    check("ACTION" not in p.runs("w")[0].env, "there is no device", p.runs("w")[0].env)
    d.ask("reset", "w")
    d.until_state("w", "waiting")
    p.add_link("v")
    d.until_state("w", "active")
    d.ask("stop", "w")
    equal([d.state("w"), d.unit("w")["hold"]], ["waiting", "down"], "held down against its condition")
    p.del_link(p.name("v"))
    p.add_link("v")
    d.barrier()
    equal(d.state("w"), "waiting", "a replug does not lift it")
    contains(d.ask("status").stdout, "stopped by hand", "status says why")
    d.terminate()
    d = p.daemon()
    equal([d.state("w"), d.unit("w")["hold"]], ["waiting", "down"], "nor does a restart")
    d.ask("reset", "w")
    d.until_state("w", "active")
    d.ask("stop", "w")
    d.ask("start", "w")
    equal([r.argv[0] for r in p.runs("w")], ["start", "stop"] * 3 + ["start"], "what ran")


@test
def restart_in_one_request(p):
    gate, hang = p.out / ".gate", p.out / ".hang"
    waits = f"[ ! -e {hang} ] || until [ -e {gate} ]; do sleep 0.02; done"
    p.unit("base", p.command(stop=True, then=waits))
    p.unit("user", "requires: base\n" + p.command(stop=True))
    p.unit("task", "task: true\n" + p.command())
    p.unit("bad", p.command(stop=True, then='[ "$1" = stop ] || exit 7'))
    p.unit("each", f"each-event: 'network interface[name = \"{p.name('x')}\"]'\n" + p.command())
    d = p.daemon()

    def ran():
        return [(r.env["DEVMUX_UNIT"], r.argv[0]) for r in p.runs()]
    d.ask("restart", "user")
    equal(ran(), [("base", "start"), ("user", "start")], "what does not run is started")
    equal([d.state("base"), d.state("user")], ["active", "active"], "states")
    equal(d.json("restart", "base")["state"], "active", "waited for")
    d.until_state("user", "active")
    both = [("user", "stop"), ("base", "stop"), ("base", "start"), ("user", "start")]
    equal(ran()[2:], both, "who requires it stops first and comes back")
    equal([d.unit("base")["asked_by"], d.unit("user")["asked_by"]], ["a person", "a person"], "who asked")
    d.ask("restart", "task", "task")
    equal(len(p.runs("task")), 2, "a task runs again")
    contains(d.ask("restart", "bad", code=1).stderr, "failed: exited with status 7", "why")
    contains(d.ask("restart", "each", code=5).stderr, "run by events alone", "no such thing")
    contains(d.ask("restart", "nobody", code=4).stderr, "no unit", "nor that")
    # kill -9 while the stop runs: its end is waited for, and the start is not forgotten.
    hang.touch()
    d.ask("restart", "--no-wait", "base")
    p.until_runs("base", 2, "stop")
    d.kill()
    d = p.daemon()
    equal([d.state("base"), d.unit("base")["wanted"]], ["stopping", "up"], "adopted")
    gate.touch()
    d.until_state("user", "active")
    equal([x for x in ran() if x[0] in ("base", "user")][6:], both, "once each, in order")
    d.kill()
    d = p.daemon()
    d.barrier()
    equal([d.state("base"), d.state("user"), len(p.runs("base"))], ["active", "active", 5], "and that was all")


@test
def failures_are_told_and_reset(p):
    p.unit("bad", p.command(stop=True, then='[ "$1" = stop ] || exit 7'))
    p.unit("slow", p.command(then=f"until [ -e {p.out}/.gate ]; do sleep 0.02; done"))
    d = p.daemon()
    done = d.ask("start", "bad", code=1)
    contains(done.stderr, "failed: exited with status 7", "why")
    d.ask("status", "bad", code=1)
    d.ask("reset", "bad")
    equal(d.state("bad"), "waiting", "forgotten")
    contains(d.ask("start", "--timeout", "100ms", "slow", code=124).stderr, "not at rest", "it goes on")
    equal([d.state("slow"), d.unit("slow")["pid"] > 0], ["starting", True], "meanwhile")
    d.ask("start", "--no-wait", "slow")
    d.ask("stop", "--no-wait", "slow")
    (p.out / ".gate").touch()
    d.until_state("slow", "done")
    equal(len(p.runs("slow")), 1, "runs")


@test
def sigterm_leaves_services_and_jobs_running(p):
    pids = p.out / ".pid"
    p.unit("service", while_link(p, then=f"sleep 1000 >/dev/null 2>&1 & echo $! >{pids}"))
    p.unit("job", p.command(stop=True, then=f"until [ -e {p.out}/.gate ]; do sleep 0.02; done"))
    p.add_link("v")
    d = p.daemon()
    d.until_state("service", "active")
    p.owns_process(int(pids.read_text()))
    d.ask("start", "--no-wait", "job")
    p.until_runs("job", 1)
    job = eventually(lambda: d.unit("job")["pid"], "the job runs")
    d.terminate()
    for pid in (int(pids.read_text()), job):
        os.kill(pid, 0)
    d = p.daemon()
    equal([d.state("service"), d.state("job"), d.unit("job")["pid"]], ["active", "starting", job], "adopted")
    (p.out / ".gate").touch()
    d.until_state("job", "active")
    d.terminate(signal.SIGINT)
    p.del_link(p.name("v"))
    d = p.daemon()
    d.until_state("service", "waiting")
    equal([r.argv[0] for r in p.runs("service")], ["start", "stop"], "a loss while nobody looked is found")
    equal(len(p.runs("job")), 1, "runs of the job")


@test
def restart_repeats_nothing(p):
    p.add_link("v", kind="bridge")
    link = f"network interface[name = \"{p.name('v')}\"]"
    p.unit("task", f"when: '{link}'\n" + p.command())
    p.unit("service", f"when: '{link}'\n" + p.command(stop=True))
    p.unit("loop", f"while: '{link}'\n" + p.command(stop=True))
    p.unit("first", f"when: 'first {link}'\n" + p.command())
    p.unit("each", f"each-event: '{link}'\n" + p.command())
    p.unit("bad", f"when: '{link}'\n" + p.command(then="exit 1"))
    for _ in range(3):
        d = p.daemon()
        for unit in ("task", "first"):
            d.until_state(unit, "done")
        for unit in ("service", "loop"):
            d.until_state(unit, "active")
        d.until_state("bad", "failed")
        p.until_runs("each", 1)
        d.barrier()
        d.terminate()
    counts = {u: len(p.runs(u)) for u in ("task", "service", "loop", "first", "each", "bad")}
    equal(counts, dict.fromkeys(counts, 1), "runs")
    p.del_link(p.name("v"))
    p.add_link("v", kind="bridge")
    d = p.daemon()
    p.until_runs("each", 2)  # another device under the same path came while nobody looked
    d.barrier()
    equal(len(p.runs("task")), 1, "the condition was true and is true: no edge was seen")


@test
def dry_run_writes_and_runs_nothing(p):
    link = f"'network interface[name = \"{p.name('v')}\"]'"
    p.add_link("v")
    p.unit("u", f"while: {link}\n" + p.command(stop=True))
    p.unit("each", f"each-event: {link}\n" + p.command())
    p.unit("script", f"when: {link}\ninit-script: thing\n")
    p.unit("chain", "when: unit script active\n" + p.command(word="chained"))
    p.unit("not", f"when: 'network interface[name = \"{p.name('w')}\"]'\n" + p.command())
    p.init_script("thing")
    before = sorted(str(f) for f in p.dir.rglob("*"))
    d = p.daemon("--dry-run", wait=False)
    d.until_log("coldplug is complete")
    for line in (f"u: dry run: {p.recorder} start", f"each: dry run: {p.recorder} start",
                 "script: dry run: /etc/init.d/thing start", f"chain: dry run: {p.recorder} start chained"):
        d.until_log(line)
    p.del_link(p.name("v"))
    d.until_log(f"u: dry run: {p.recorder} stop")
    d.until_log("each: dry run", 2)
    check("not: " not in d.log_text(), "what is not started is not said to be", d.log_text())
    d.terminate()
    equal(sorted(str(f) for f in p.dir.rglob("*")), sorted({*before, str(p.dir / "daemon.log")}), "files")


@test
def sources_may_be_switched_off(p):
    p.add_link("v", kind="bridge")
    p.unit("u", f"when: 'network interface[name = \"{p.name('v')}\"]'\n" + p.command())
    p.unit("w", f"when: 'network interface[name = \"{p.name('w')}\"]'\n" + p.command())
    d = p.daemon("--sources", "kernel")
    p.add_link("w", kind="bridge")
    p.until_runs("w", 1)
    equal(d.json("eval", "no mouse", code=6)["truth"], "unknown", "absence cannot be known")
    equal([d.state("u"), d.status()["sources"]], ["waiting", ["kernel"]], "without coldplug")
    contains(d.ask("status").stdout, "the source coldplug is off", "status says so")
    d.terminate()
    d = p.daemon("--sources", "coldplug", runtime=p.dir / "run2")
    d.until_state("u", "done")
    p.del_link(p.name("w"))
    contains(d.ask("status").stdout, "the source kernel is off", "status says so")
