"""The client: every subcommand, its exit codes and JSON, wrong arguments, no daemon, and completion."""
import json
import os
import pathlib
import re
import signal
import subprocess

from checks import check, contains, equal, eventually, test
from place import SOURCE, run

ALL = "status list cat log explain devices classes eval wait start stop restart refresh reset mask unmask reload mode shutdown source check simulate record whatif guard".split()


def furnish(p):
    link = f"'network interface[name = \"{p.name('v')}\"]'"
    p.unit("w", f"description: for the client\nwhile: {link}\n" + p.command(stop=True))
    p.unit("hand", p.command(stop=True))
    p.unit("bad", p.command(then="exit 9"))
    p.unit("broken", "when: mause\n" + p.command())
    p.unit("each", f"each-event: {link}\n" + p.command())
    (p.units / "masked.yaml").symlink_to("/dev/null")
    trace = p.dir / "trace.txt"
    trace.write_text("devmux-trace 1\nsnapshot\ncomplete\n+1s\nadd /devices/virtual/net/" + p.name("v") +
                     f"\n  SUBSYSTEM=net\n  INTERFACE={p.name('v')}\n")
    return trace


@test
def a_stopped_daemon_is_told_from_none(p):
    d = p.daemon()
    os.kill(d.pid, signal.SIGSTOP)
    try:
        # The signal is on its way; /proc says when it has arrived.
        eventually(lambda: (pathlib.Path("/proc") / str(d.pid) / "stat").read_text().rpartition(")")[2].split()[0] == "T",
                   "the daemon is stopped")
        done = d.ask("status", code=None)
        equal(done.returncode, 3, "exit code")
        contains(done.stderr, f"kill -CONT {d.pid}", "the next step")
    finally:
        os.kill(d.pid, signal.SIGCONT)
    d.ask("status")


@test
def exit_codes_and_json(p):
    """Each line: arguments, exit code; with --json the answer must be JSON wherever there is one."""
    trace = furnish(p)
    good, bad = p.units / "w.yaml", p.units / "broken.yaml"
    d = p.daemon()
    no_link = f'network interface[name = "{p.name("v")}"]'
    for args, code, answers in (
            (["status"], 0, True), (["status", "w"], 0, True), (["status", "broken"], 1, True),
            (["status", "masked"], 0, True), (["status", "nobody"], 4, False), (["status", "a", "b"], 2, False),
            (["list"], 0, True), (["list", "x"], 2, False),
            (["explain", "w"], 0, True), (["explain", "broken"], 0, True), (["explain", "masked"], 0, True),
            (["explain", "each"], 0, True), (["explain"], 2, False), (["explain", "nobody"], 4, False),
            (["cat", "w"], 0, True), (["cat", "broken"], 0, True), (["cat", "masked"], 0, True), (["cat", "nobody"], 4, False),
            (["cat", "--units", p.units, "w"], 0, True), (["cat"], 2, False),
            (["log", "w"], 0, True), (["log", "-n", "1", "w"], 0, True), (["log", "nobody"], 4, False), (["log"], 2, False),
            (["log", "-n", "0", "w"], 2, False),
            (["devices"], 0, True), (["devices", "network", "interface"], 0, True), (["devices", "network interfaces"], 0, True),
            (["devices", "nonsense"], 4, False), (["classes"], 0, True), (["classes", "x"], 2, False),
            (["eval", "cpu"], 0, True), (["eval", "no", "cpu"], 1, True), (["eval", no_link], 1, True),
            (["eval", "mause"], 4, False), (["eval"], 2, False), (["eval", 'cpu[name = "cpu0"]'], 0, True),
            (["eval", "cpu", '[name = "cpu0"]'], 0, True), (["eval", "cpu[attr.nobody_asks = \"x\"]"], None, True),
            (["wait", "--timeout", "50ms", "cpu"], 0, True), (["wait", "--timeout", "50ms", "no cpu"], 124, True),
            (["wait", "--timeout", "5", "cpu"], 2, False), (["wait", "mause"], 4, False), (["wait"], 2, False),
            (["start", "hand"], 0, True), (["start", "bad"], 1, True), (["start", "--no-wait", "bad"], 0, True),
            (["start", "masked"], 5, False), (["start", "broken"], 5, False), (["start", "each"], 5, False),
            (["start", "nobody"], 4, False), (["start"], 2, False), (["start", "--timeout", "x", "hand"], 2, False),
            (["stop", "hand"], 0, True), (["stop", "nobody"], 4, False), (["stop"], 2, False),
            (["reset", "hand"], 0, True), (["reset", "--latch", "w"], 0, True), (["reset", "nobody"], 4, False),
            (["reset"], 2, False), (["restart", "hand"], 0, True), (["restart", "each"], 5, False), (["restart"], 2, False),
            (["mask", "hand"], 5, False), (["mask", "../x"], 5, False), (["mask", "nobody"], 4, False), (["mask", "--runtime", "hand"], 5, False),
            (["mask", "masked"], 0, True), (["unmask", "hand"], 0, True), (["mask"], 2, False), (["unmask"], 2, False),
            (["reload"], 1, True), (["reload", "x"], 2, False),
            (["check", good], 0, True), (["check", bad], 1, True), (["check", p.units], 1, True),
            (["check", p.dir / "nowhere"], 1, True), (["check", trace], 1, True),
            (["simulate", "--units", p.units, trace], 1, True), (["simulate"], 2, False),
            (["simulate", "--units", p.units, p.dir / "nowhere"], 2, False),
            ([], 2, False), (["nonsense"], 2, False), (["--nonsense"], 2, False), (["status", "--nonsense"], 2, False),
            (["status", "--color", "perhaps"], 2, False)):
        plain = d.ask(*args, code=code)
        if code in (2, 4, 5):
            check(plain.stderr.strip() or plain.stdout.strip(), f"{args}: says what is wrong")
        check("\x1b" not in plain.stdout + plain.stderr, f"{args}: no colours off a terminal")
        for where in ([*args, "--json"], ["--json", *args]):
            if args:
                done = d.ask(*where, code=code)
                if answers:
                    json.loads(done.stdout)
                    check(done.stdout.count("\n") == 1, f"{where}: one line", done.stdout)
                else:
                    equal(done.stdout if code != 2 else "", "", f"{where}: no half answer")
    contains(d.ask("stats", code=2).stderr, "did you mean status?", "a subcommand that nearly is one")
    contains(d.ask("status", "hnd", code=4).stderr, "did you mean hand?", "a unit that nearly is one")
    contains(d.ask("devices", "mose", code=4).stderr, 'did you mean "mouse"?', "a class")
    text = d.ask("eval", "mouse and framebufer", code=4).stderr
    contains(text, "    mouse and framebufer\n              ^\n    did you mean \"framebuffer\"?", "the caret")
    equal([u["name"] for u in d.json("list")], ["bad", "broken", "each", "hand", "masked", "w"], "list")
    equal(d.json("simulate", "--units", p.units, trace, code=1)[-1].split(" ", 1)[1], "w: active", "simulate")


@test
def files_of_a_unit(p):
    """cat: who won, what it hides, what adds and what is masked; with a daemon, without, and of --units."""
    weak, strong = p.units, p.dir / "strong.d"
    strong.mkdir()
    p.unit("u", "description: weak\n" + p.command(stop=True))
    for name, text in (("10-a", "documentation: [man:a(8)]\n"), ("20-b", "description: of a drop-in\n"), ("30-c", "task: true\n")):
        folder = weak / "u.yaml.d"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(text)
    p.unit("m", p.command())
    d = p.daemon(units=[weak, strong])
    (strong / "u.yaml").write_text((weak / "u.yaml").read_text().replace("weak", "strong"))
    (strong / "u.yaml.d").mkdir()
    (strong / "u.yaml.d/20-b.yaml").symlink_to("/dev/null")
    (strong / "u.yaml.d/30-c.yaml").write_text("task: false\n")
    (strong / "m.yaml").symlink_to("/dev/null")

    def states(unit, *more):
        answer = d.json("cat", unit, *more)
        return [(pathlib.Path(f["path"]).relative_to(p.dir).parts[0] + "/" + pathlib.Path(f["path"]).name, f["kind"], f["state"])
                for f in answer["files"]]
    low, high = weak.relative_to(p.dir).parts[0], "strong.d"
    expected = [(f"{high}/u.yaml", "unit", "read"), (f"{low}/u.yaml", "unit", "behind"), (f"{low}/10-a.yaml", "drop-in", "read"),
                (f"{high}/20-b.yaml", "drop-in", "mask"), (f"{low}/20-b.yaml", "drop-in", "behind"),
                (f"{high}/30-c.yaml", "drop-in", "read"), (f"{low}/30-c.yaml", "drop-in", "behind")]
    equal(states("u"), expected, "the files, in order")
    equal(states("u", "--units", weak, "--units", strong), expected, "the same of folders that are named")
    text = d.ask("cat", "u").stdout
    contains(text, "description: strong", "what counts")
    check("description: of a drop-in" not in text and "weak" not in text, "and nothing of what does not", text)
    contains(text, f"u.yaml  (not read: {strong}/u.yaml stands before it)", "who hides it")
    contains(text, "# changed on disk: devmux reload", "what the daemon has read is another one")
    d.ask("reload")
    check("changed on disk" not in d.ask("cat", "u").stdout, "not any more")
    equal(d.json("cat", "m")["masked"], True, "masked")
    contains(d.ask("cat", "m").stdout, "(leads to /dev/null: the unit is masked)", "and says so")
    contains(d.ask("cat", "uu", code=4).stderr, "did you mean u?", "nobody")
    (strong / "u.yaml").chmod(0o666)
    contains(d.ask("cat", "u", code=1).stderr, "u.yaml", "what nobody may believe is not shown as if it counted")
    d.terminate()
    equal(len(d.json("cat", "m", "--units", weak)["files"]), 1, "without a daemon")


@test
def output_of_a_unit(p):
    """log: the last lines, what comes, and what is left when the daemon is gone."""
    p.unit("u", p.command(then="printf 'one\\ntwo\\n\\033[31mthree\\n'"))
    p.unit("quiet", p.command())
    d = p.daemon()
    d.ask("start", "u")
    equal(d.ask("log", "u").stdout, "one\ntwo\n\\x1b[31mthree\n", "all")
    equal(d.json("log", "u", "-n", "2")["lines"], ["two", "\\x1b[31mthree"], "two lines")
    contains(d.ask("log", "quiet").stderr, "quiet has printed nothing", "nothing")
    follower = d.begin("log", "-n", "1", "--follow", "u")
    equal(follower.stdout.readline(), "\\x1b[31mthree\n", "the last line")
    d.ask("restart", "u")
    equal([follower.stdout.readline() for _ in range(3)], ["one\n", "two\n", "\\x1b[31mthree\n"], "and what comes")
    follower.kill()
    follower.wait()
    d.terminate()
    equal(d.ask("log", "-n", "1", "u").stdout, "\\x1b[31mthree\n", "without a daemon")
    contains(d.ask("log", "nobody", code=3).stderr, "no daemon listens here", "nothing is known of it")
    d.ask("log", "../bus", code=4)


@test
def help_names_everything(p):
    d = p.daemon()
    text = d.ask("--help").stdout
    for word in ALL:
        check(re.search(rf"^ +{word} ", text, re.M), f"--help names {word}", text)
        contains(d.ask(word, "--help").stdout, word, f"{word} --help")
    for code in ("0", "1", "2", "3", "4", "5", "6", "124"):
        check(re.search(rf"^ +{code}  \w", text, re.M), f"--help explains exit code {code}")
    check(re.fullmatch(r"devmux [0-9.]+\n", d.ask("--version").stdout), "version")
    daemon = run(str(d.tools / "devmuxd"), "--help").stdout
    for option in ("--units", "--runtime-dir", "--root", "--sources", "--dry-run", "--foreground", "--record"):
        contains(daemon, option, "devmuxd --help")


@test
def daemons_command_line(p):
    tool = str(p.build / "tools/devmuxd")
    for args, code in ((["--nonsense"], 2), (["--sources", "kernel,moon"], 2), (["--sources", ""], 2), (["word"], 2),
                       (["--root", "/nowhere"], 2), (["--color", "x"], 2), (["--version"], 0),
                       (["--runtime-dir", str(p.dir / "no/such/parent")], 1),
                       (["--runtime-dir", str(p.recorder)], 1)):
        done = run(tool, *args, code=code)
        check(code == 0 or done.stderr.startswith("devmuxd: "), f"{args}: says what is wrong", done.stderr)
    (p.dir / "open").mkdir()
    (p.dir / "open").chmod(0o777)
    contains(run(tool, "--runtime-dir", str(p.dir / "open"), code=1).stderr, "written by others", "an open folder")


@test
def without_a_daemon(p):
    d = p.daemon()
    d.terminate()
    trace = furnish(p)
    for args in (["status"], ["list"], ["explain", "w"], ["devices"], ["classes"], ["eval", "cpu"], ["wait", "cpu"],
                 ["start", "w"], ["stop", "w"], ["restart", "w"], ["reset", "w"], ["reload"]):
        for json_too in ([], ["--json"]):
            done = d.ask(*args, *json_too, code=3)
            contains(done.stderr, "no daemon listens here", f"{args}")
            contains(done.stderr, "devmuxd --foreground", f"{args}: the next step")
            equal(done.stdout, "", f"{args}: nothing on standard output")
    d.ask("check", p.units / "w.yaml")
    d.ask("simulate", "--units", p.units, trace, code=1)
    d.kill()
    d = p.daemon()
    d.kill()
    check((p.dir / "run/bus").exists(), "a daemon that was killed leaves its socket")
    contains(d.ask("status", code=3).stderr, "no daemon listens here", "on a dead socket")
    p.daemon()


@test
def runtime_dir_by_variable(p):
    d = p.daemon()
    tool, env = str(d.tools / "devmux"), {**os.environ, "DEVMUX_RUNTIME_DIR": str(d.runtime)}
    equal(subprocess.run([tool, "list"], env=env, capture_output=True, check=False).returncode, 0, "DEVMUX_RUNTIME_DIR")


@test
def a_second_daemon_is_refused(p):
    p.unit("u", p.command())
    d = p.daemon()
    second = p.daemon(wait=False)
    equal(second.process.wait(60), 1, "exit code of the second")
    contains(second.log_text(), f"already running as pid {d.pid} on {d.runtime}", "it says who runs")
    contains(second.log_text(), "choose another --runtime-dir", "and what to do")
    d.ask("start", "u")
    d.kill()
    p.daemon().ask("status", "u")


@test
def only_root_is_answered(p):
    d = p.daemon()
    done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", *d.argv("status")], capture_output=True,
                          text=True, check=False)
    equal(done.returncode, 3, "exit code for a stranger")
    contains(done.stderr, "only root", "what is said")


@test
def wait_until_it_is_so(p):
    d = p.daemon()
    name = p.name("v")
    waits = [d.begin("wait", "--timeout", "2m", f'network interface[name = "{name}"]', *more)
             for more in ([], ["--json"], ["and", "file", "/x", "exists"])]
    late = d.ask("wait", "--timeout", "100ms", f'network interface[name = "{name}"]', code=124)
    contains(late.stderr, "after 100ms it is still not so", "the time ran out")
    contains(late.stderr, "waits for: ", "what is missing")
    p.add_link("v")
    equal([w.wait(60) for w in waits[:2]], [0, 0], "exit codes")
    equal(json.loads(waits[1].stdout.read())["truth"], "true", "--json")
    equal(waits[2].poll(), None, "the third still waits, for a file that nobody asked for before")
    (p.root / "x").touch()
    equal(waits[2].wait(60), 0, "a file")
    equal(d.ask("wait", "--timeout", "2m", f'network interface[name = "{name}"] for 300ms').returncode, 0, "for")


def has_socket(pid):
    folder = f"/proc/{pid}/fd"
    return any(os.readlink(f"{folder}/{fd}").startswith("socket:") for fd in os.listdir(folder) if os.path.lexists(f"{folder}/{fd}"))


@test
def waits_over_the_daemons_end(p):
    """SIGTERM while clients wait: the daemon ends with 0, and they are told (3)."""
    p.unit("slow", p.command(then=f"until [ -e {p.out}/.gate ]; do sleep 0.02; done"))
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        d = p.daemon()
        clients = [d.begin("wait", "--timeout", "2m", "mouse and no mouse"), d.begin("start", "slow"),
                   d.begin("wait", "--timeout", "none", "file /nowhere/at/all exists")]
        eventually(lambda d=d: d.state("slow") == "starting", "the start waits")
        eventually(lambda c=clients: all(has_socket(x.pid) for x in c), "all are connected")
        d.ask("status")  # who asked before has been heard
        if signo == signal.SIGKILL:
            d.kill()
        else:
            d.terminate(signo)
        equal([c.wait(60) for c in clients], [3, 3, 3], f"exit codes of clients after {signo.name}")
        contains(clients[0].stderr.read(), "closed the connection", "why")
    (p.out / ".gate").touch()


@test
def clients_that_go_away(p):
    """A client that is killed while it waits leaves nothing behind."""
    d = p.daemon()

    def descriptors():
        return len(os.listdir(f"/proc/{d.pid}/fd"))
    before = descriptors()  # with the one that asked last, maybe
    clients = [d.begin("wait", "--timeout", "2m", "mouse and no mouse") for _ in range(20)]
    eventually(lambda: descriptors() >= before + 19, "all are connected")
    for client in clients:
        client.kill()
        client.wait()
    eventually(lambda: descriptors() <= before, "all are forgotten")
    d.ask("status")


@test
def completion_loads(p):
    furnish(p)
    d = p.daemon()
    script = SOURCE / "tools/completions/devmux.bash"
    run("bash", "-n", str(script))

    def complete(*words):
        line = " ".join(f"'{w}'" for w in words)
        code = (f"source {script}; PATH={d.tools}:$PATH; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1};"
                " _devmux; printf '%s\\n' \"${COMPREPLY[@]}\"")
        return run("env", f"DEVMUX_RUNTIME_DIR={d.runtime}", "bash", "-c", code).stdout.split("\n")[:-1]
    equal(sorted(complete("devmux", "")), sorted(ALL), "subcommands")
    equal(complete("devmux", "sta"), ["status", "start"], "subcommands that begin so")
    equal(sorted(complete("devmux", "start", "")), ["bad", "broken", "each", "hand", "masked", "w"], "units")
    equal(complete("devmux", "--runtime-dir", str(d.runtime), "explain", "ha"), ["hand"], "behind options")
    check("mouse" in complete("devmux", "devices", "mo"), "classes")
    check("--latch" in complete("devmux", "reset", "--"), "options")
    equal(complete("devmux", "source", ""), ["kernel", "udev", "hotplug", "coldplug"], "sources")
    equal(complete("devmux", "source", "udev", ""), ["on", "off"], "and what they may be")
    equal(complete("devmux", "source", "udev", "on", ""), [""], "no more")
    d.terminate()
    equal(complete("devmux", "start", ""), [""], "without a daemon there are no names, and no noise")
