"""What is no device: files, units of units, the kernel's command line, settled."""
import os
import struct

from checks import check, contains, equal, eventually, test


def follow(d, unit, step, active):
    step()
    d.until_state(unit, "active" if active else "waiting")


@test
def file_exists_follows_the_file(p):
    """Created, removed, renamed there and away, as a link, in a folder that comes later."""
    below = p.root / "var"
    flag = below / "flag"
    p.unit("u", "while: 'file /var/flag exists'\n" + p.command(stop=True))
    d = p.daemon()
    equal(d.state("u"), "waiting", "no folder")
    below.mkdir()
    follow(d, "u", flag.touch, True)
    follow(d, "u", flag.unlink, False)
    (below / "other").touch()
    follow(d, "u", lambda: (below / "other").rename(flag), True)
    follow(d, "u", lambda: flag.rename(below / "other"), False)
    follow(d, "u", lambda: flag.symlink_to("target"), False)
    follow(d, "u", (below / "target").touch, True)
    follow(d, "u", (below / "target").unlink, False)
    flag.unlink()
    follow(d, "u", flag.mkdir, True)
    follow(d, "u", lambda: below.rename(p.root / "away"), False)
    follow(d, "u", lambda: (p.root / "away").rename(below), True)
    runs = p.runs("u")
    equal([r.argv[0] for r in runs], ["start", "stop"] * (len(runs) // 2) + ["start"], "in turns")
    check("ACTION" not in runs[0].env and "DEVPATH" not in runs[0].env, "a file is no device", runs[0].env)


@test
def file_without_root(p):
    flag = p.dir / "flag"
    p.unit("u", f"when: file {flag} exists\n" + p.command())
    d = p.daemon(root=False)
    flag.touch()
    p.until_runs("u", 1)
    d.until_state("u", "done")
    equal(d.truth(f"file {flag} exists"), "true", "eval of a watched file")


@test
def stop_when_wins(p):
    name = p.name("v")
    p.unit("u", f"when: 'network interface[name = \"{name}\"]'\nstop-when: file /quiet exists\n" + p.command(stop=True))
    d = p.daemon()
    p.add_link("v")
    d.until_state("u", "active")
    (p.root / "quiet").touch()
    p.until_runs("u", 1, "stop")
    p.del_link(name)
    p.add_link("v")
    d.barrier()
    equal(len(p.runs("u", "start")), 1, "nothing starts it while it is quiet")
    (p.root / "quiet").unlink()
    d.wait("not file /quiet exists")
    d.barrier()
    equal(len(p.runs("u", "start")), 1, "afterwards it must become true afresh")
    p.del_link(name)
    d.wait_link(name, there=False)
    p.add_link("v")
    equal(len(p.until_runs("u", 2, "start")), 2, "afresh")


@test
def chains_of_units(p):
    name = p.name("v")
    p.unit("a", f"while: 'network interface[name = \"{name}\"]'\n" + p.command(stop=True))
    p.unit("b", "while: unit a active\n" + p.command(stop=True))
    p.unit("c", "while: unit b active and unit a active\n" + p.command(stop=True))
    p.unit("task", f"when: 'network interface[name = \"{name}\"]'\n" + p.command())
    p.unit("after", "when: unit task done\n" + p.command())
    p.unit("bad", f"when: 'network interface[name = \"{name}\"]'\n" + p.command(then="exit 1"))
    p.unit("alarm", "when: unit bad failed\n" + p.command())
    d = p.daemon()
    p.add_link("v")
    d.until_state("c", "active")
    d.until_state("after", "done")
    d.until_state("alarm", "done")
    equal(d.unit("bad")["last_end"], "exited with status 1", "why bad failed")
    starts = [u for u in (r.env["DEVMUX_UNIT"] for r in p.runs(verb="start")) if u in "abc"]
    equal(starts, ["a", "b", "c"], "in this order")
    p.del_link(name)
    for unit in "abc":
        d.until_state(unit, "waiting")
    equal(sorted(u for u in (r.env["DEVMUX_UNIT"] for r in p.runs(verb="stop"))), ["a", "b", "c"], "all stopped")


@test
def kernel_arguments(p):
    words = open("/proc/cmdline").read().split()
    plain = [w for w in words if all(c.isalnum() or c in "._-" for c in w)]
    pairs = [w for w in words if w.count("=") == 1 and all(c.isalnum() or c in "._-=" for c in w)]
    d = p.daemon()
    for word in plain[:2]:
        equal(d.truth(f"kernel argument {word}"), "true", word)
    for pair in pairs[:2]:
        key, value = pair.split("=")
        equal(d.truth(f'kernel argument "{key}" = "{value}"'), "true", pair)
        equal(d.truth(f'kernel argument "{key}" = "{value}x"'), "false", pair + "x")
    equal(d.truth("kernel argument nobody.has.this"), "false", "an argument that is not there")


@test
def init_scripts_run_as_init_runs_them(p):
    name = p.name("v")
    p.init_script("thing", "echo to standard output; echo to standard error >&2")
    p.unit("u", f"while: 'network interface[name = \"{name}\"]'\ninit-script: thing\n")
    p.unit("none", f"when: 'network interface[name = \"{name}\"]'\ninit-script: nobody\n")
    p.init_script("open").chmod(0o777)
    p.unit("open", f"when: 'network interface[name = \"{name}\"]'\ninit-script: open\n")
    p.unit("exit", f"when: 'network interface[name = \"{name}\"]'\n" + p.command(then="kill -9 $$"))
    d = p.daemon()
    p.add_link("v")
    d.until_state("u", "active")
    for line in ("u | to standard output", "u | to standard error"):
        d.until_log(line)
    contains((p.dir / "run/log/u").read_text(), "to standard error", "the unit's log")
    p.del_link(name)
    p.until_runs("u", 1, "stop")
    equal([r.argv for r in p.runs("u")], [["start"], ["stop"]], "arguments")
    contains(d.until_state("none", "failed")["last_end"], "init.d/nobody", "why: there is no script")
    contains(d.until_state("open", "failed")["last_end"], "written by", "why: anybody may write it")
    equal(p.runs("open"), [], "it was not run")
    contains(d.until_state("exit", "failed")["last_end"], "signal 9", "why: killed")
    d.ask("status", "open", code=1)


@test
def what_a_program_prints_commands_no_terminal(p):
    text = r"printf 'a\\033[31mb\\r\\377\\302\\233z\\n'; head -c 300000 /dev/zero | tr '\\0' x; echo; echo last"
    p.unit("u", p.command(then=text.replace("\\\\", "\\")))
    d = p.daemon()
    d.ask("start", "u")
    d.until_log("u | last")
    log = d.log_text()
    contains(log, "u | a\\x1b[31mb", "escaped")
    check(not any(c in log for c in "\x1b\r\x9b\x00"), "no control characters", repr(log[:2000]))


@test
def what_a_program_leaves_behind_is_the_service(p):
    """The job ends with the program, though its child keeps the output open."""
    pids = p.out / ".pid"
    p.unit("u", "while: file /on exists\n" + p.command(stop=True, then=f"sleep 1000 & echo $! >{pids}"))
    d = p.daemon()
    (p.root / "on").touch()
    d.until_state("u", "active")
    pid = int(pids.read_text())
    p.owns_process(pid)
    eventually(lambda: d.unit("u")["pid"] == 0, "no job runs")
    os.kill(pid, 0)
    d.terminate()
    os.kill(pid, 0)


def runlevel_record(level):
    """The RUN_LVL record of utmp(5), as init(8) writes it; None: it has not yet."""
    kind, number = (1, ord(level) + 256 * ord("N")) if level else (0, 0)
    return struct.pack("<hxxi", kind, number).ljust(384, b"\0")


@test
def modes_are_set_by_hand(p):
    """One at a time, known from the start on, and not forgotten when the daemon is killed."""
    p.unit("dock", "while: mode docked\n" + p.command(stop=True))
    d = p.daemon()
    equal(d.ask("mode").stdout, "no mode is set\n", "at boot")
    equal(d.truth("mode docked"), "false", "the fact")
    d.ask("mode", "docked")
    d.until_state("dock", "active")
    equal(d.json("mode"), {"mode": "docked"}, "which it is")
    contains(d.ask("status").stdout, "mode docked", "the status")
    d.kill()
    d = p.daemon()
    equal((d.ask("mode").stdout, d.state("dock")), ("docked\n", "active"), "after kill -9")
    contains(d.ask("explain", "dock").stdout, "mode docked", "why")
    d.ask("mode", "quiet")
    d.until_state("dock", "waiting")
    contains(d.ask("explain", "dock").stdout, "it is quiet", "what is seen instead")
    d.ask("mode", "--clear")
    equal(d.ask("mode").stdout, "no mode is set\n", "cleared")
    for bad in ("a b", "x" * 65, "", "ö", "../x"):
        contains(d.ask("mode", bad, code=2).stderr, "no name of a mode", repr(bad))
    contains(d.ask("mode", "--clear", "docked", code=2).stderr, "excludes", "both")
    contains(d.ask("eval", "mode", "'a b'", code=4).stderr, "expected the name of a mode", "a condition")


@test
def runlevel_follows_utmp(p):
    """Unknown without a record, then what init writes over it; policy-rc.d is told the same."""
    (p.root / "run").mkdir(exist_ok=True)
    (p.root / "var").mkdir(exist_ok=True)
    (p.root / "var/run").symlink_to("/run")
    utmp = p.root / "run/utmp"
    p.unit("u", "while: runlevel 2 to 5\n" + p.command(stop=True))
    d = p.daemon()
    equal(d.truth("runlevel 2"), "unknown", "no file")
    utmp.write_bytes(runlevel_record(None))
    equal(d.state("u"), "waiting", "no record")
    for level, active in (("2", True), ("1", False), ("5", True), ("S", False)):
        with utmp.open("r+b") as file:
            file.write(runlevel_record(level))
        d.until_state("u", "active" if active else "waiting")
        equal(d.json("status")["runlevel"], level, "the status")
    contains(d.ask("explain", "u").stdout, "it is S", "explain")
