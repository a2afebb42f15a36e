"""Recordings of a real daemon: they play to the same decisions; slow and vanished readers; what if."""
import itertools
import os
import re
import select
import signal
import subprocess

from checks import check, contains, equal, eventually, test
from place import SOURCE, run


def furnish(p):
    link = f"network interface[name = \"{p.name('v')}\"]"
    p.unit("w", f"while: '{link}'\nlinger: 50ms\n" + p.command(stop=True))
    p.unit("held", f"when: '{link} for 100ms'\n" + p.command(then="exit 3"))
    p.unit("file", "while: file /go exists\n" + p.command(stop=True))
    p.unit("each", f"each-event: 'network interface[name ~ \"{p.tag}*\"]'\n" + p.command())
    p.unit("loops", "each-event: 'block device[name ~ \"loop*\"]'\nactions: [add, change, remove]\n" + p.command())
    p.unit("hand", p.command(stop=True))


def happenings(p, d):
    """Something of everything that a core can be fed."""
    p.add_link("v")
    d.until_state("w", "active")
    loop = p.add_loop()
    (p.root / "go").touch()
    d.until_state("file", "active")
    d.until_state("held", "failed")
    d.ask("start", "hand")
    p.unit("hand", "description: another\n" + p.command(stop=True))
    p.unit("added", "when: settled or file /go exists\n" + p.command())
    (p.units / "file.yaml").unlink()
    d.ask("reload")
    d.ask("stop", "hand")
    d.process.send_signal(signal.SIGSTOP)
    d.process.send_signal(signal.SIGCONT)  # all is doubted, and walked again
    d.until_log("looking at all of sysfs again")
    (p.root / "go").unlink()
    p.del_link(p.name("v"))
    p.del_loop(loop)
    d.until_state("w", "waiting")
    d.barrier()


def play(d, trace, *args, code=0):
    done = d.ask("simulate", trace, *args, code=code)
    return done.stdout.splitlines(), done.stderr


def decisions(trace):
    return [line[2:] for line in trace.read_text().splitlines() if line.startswith("= ")]


def same(d, trace, ended):
    lines, said = play(d, trace)
    recorded = decisions(trace)
    contains(said, f"the same decisions, {len(recorded)} of them", trace.name)
    check(recorded, "something was decided")
    equal([line.split(" ", 1)[1] for line in lines], [line.replace("\\\\", "\\") for line in recorded], "decisions")
    equal(trace.read_text().splitlines()[-1], f"end {ended}", "the last line")


@test
def from_the_first_moment(p):
    furnish(p)
    trace = p.dir / "boot.trace"
    d = p.daemon("--record", str(trace))
    happenings(p, d)
    d.terminate()
    equal(trace.stat().st_mode & 0o777, 0o600, "nobody else reads it")
    same(d, trace, "stopped")
    text = trace.read_text()
    for word in ("begin", "snapshot", "ended", "reload", "doubt continued", "start hand", "stop hand", "file /go"):
        check(re.search(rf"^{word}\b", text, re.M), f"the recording has a line {word!r}")
    # Cut anywhere, it plays as far as it goes.
    cut = p.dir / "cut.trace"
    cut.write_text(text[:text.rfind("\n@")])
    contains(play(d, cut)[1], "the recording was cut off", "a recording without its end")
    # Under other units, other decisions.
    other = p.dir / "other.d"
    run("cp", "-a", str(p.units), str(other))
    (other / "w.yaml").unlink()
    lines, _ = play(d, trace, "--diff", str(other), code=1)
    check(lines and all(line.startswith(("- ", "+ ")) for line in lines), "a difference", *lines)
    check(any(" run w start" in line for line in lines), "w is missing", *lines)
    broken = text.replace("= w: active", "= w: passive", 1)
    cut.write_text(broken)
    contains(play(d, cut, code=1)[1], "recorded: w: passive", "the first that differs")


@test
def on_a_daemon_that_runs(p):
    """Begun in the middle of things: a job runs, a unit is held down, another is gone, a clock runs."""
    furnish(p)
    p.unit("slow", p.command(stop=True, then=f"until [ -e {p.out}/.gate ]; do sleep 0.02; done"))
    p.unit("gone", p.command(stop=True))
    d = p.daemon()
    d.ask("start", "--no-wait", "slow")
    d.ask("start", "gone")
    d.ask("stop", "hand")
    (p.units / "gone.yaml").unlink()
    d.ask("reload")
    equal(d.state("gone"), "orphaned", "before it begins")
    trace, limited = p.dir / "live.trace", p.dir / "limited.trace"
    recorder = d.begin("record", "-o", str(trace))
    eventually(lambda: trace.exists() and "\nbegin\n" in trace.read_text(), "it begins")
    (p.out / ".gate").touch()
    d.until_state("slow", "active")
    happenings(p, d)
    d.ask("record", "-o", str(limited), "--for", "100ms")
    recorder.send_signal(signal.SIGINT)
    equal(recorder.wait(60), 0, "exit code after Ctrl-C")
    same(d, trace, "asked")
    contains(trace.read_text(), "orphan gone", "a unit whose file is gone")
    contains(limited.read_text()[-20:], "\nend asked\n", "--for")
    play(d, limited)


def end_of(path):
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        return file.read().decode(errors="replace")


@test
def readers_that_do_not_read(p):
    furnish(p)
    d = p.daemon()
    slow = subprocess.Popen(d.argv("record"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                            bufsize=0)
    vanished = subprocess.Popen(d.argv("record"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    eventually(lambda: select.select([slow.stdout, vanished.stdout], [], [], 0)[0] == [slow.stdout, vanished.stdout],
               "they begin")
    paths = [p.dir / f"other{i}.trace" for i in range(2)]
    others = [d.begin("record", "-o", str(path)) for path in paths]
    eventually(lambda: all(path.exists() for path in paths), "the others begin")
    contains(d.ask("record", code=5).stderr, "4 recordings already", "four are enough")
    vanished.kill()
    vanished.wait()
    eventually(lambda: d.ask("record", "--for", "1ms", code=None).returncode == 0, "the place of one that was killed is free")
    # Nobody reads the pipe of `slow`: it stops, and then its socket is full. The daemon goes on.
    files = [f"/sys/devices/virtual/net/{p.add_link('s', kind='bridge')}/uevent"]
    text = "change " + "0" * 8 + "-0000-0000-0000-000000000000 " + " ".join(f"K{i}={'v' * 60}" for i in range(20))
    # Each event is 1.6 KB, and in all they are more than the daemon keeps for who falls behind. A daemon lets go of
    # who takes nothing at all for 30 s; the slow one takes a little.
    said, batch = b"", 0
    while "a recording was not read fast enough" not in d.log_text():
        for _ in range(500):
            with open(files[0], "w", encoding="ascii") as f:
                f.write(text)
        with open(files[0], "w", encoding="ascii") as f:
            f.write(f"change {'0' * 8}-0000-0000-0000-000000000000 BATCH={batch}")
        said += slow.stdout.read(1 << 16)
        # Who reads is never far behind, on a machine as busy as it likes.
        eventually(lambda n=batch: all(f"SYNTH_ARG_BATCH={n}\n" in end_of(path) for path in paths), "the others read")
        batch += 1
        check(batch < 200, "the daemon keeps no more than it may", d.log_text())
    said += slow.stdout.read()
    d.barrier()
    contains(slow.stderr.read().decode(), "was not read fast enough", "what it says")
    equal(slow.wait(60), 5, "its exit code")
    check(said.endswith(b"\nend slow\n"), "its last line", said[-100:])
    trace = p.dir / "slow.trace"
    trace.write_bytes(said)
    contains(play(d, trace)[1], "was not read fast enough", "what there is plays")
    for other in others:
        other.terminate()
        equal(other.wait(60), 0, "who reads has all of it")
    same(d, paths[0], "asked")


@test
def limits_and_links(p):
    furnish(p)
    target, link = p.dir / "target", p.dir / "link"
    target.write_text("mine")
    link.symlink_to(target)
    tool = str(p.build / "tools/devmuxd")
    done = run(tool, "--runtime-dir", str(p.dir / "r2"), "--units", str(p.units), "--record", str(link), code=1)
    contains(done.stderr, "regular file", "a link is refused")
    equal(target.read_text(), "mine", "what it leads to")
    trace = p.dir / "short.trace"
    trace.write_text("an old one")
    d = p.daemon("--record", str(trace), "--record-limit", "1")
    name = p.add_link("s", kind="bridge")
    text = "change " + " ".join(f"K{i}={'v' * 60}" for i in range(20))
    while "reached its limit" not in d.log_text():
        with open(f"/sys/devices/virtual/net/{name}/uevent", "w", encoding="ascii") as f:
            f.write("change 00000000-0000-0000-0000-000000000000" + text[6:])
    d.terminate()
    check(trace.stat().st_size <= 1 << 20, "its size")
    contains(play(d, trace)[1], "reached its limit", "what there is plays")
    equal(d.ask("record", "-o", str(link), code=3).returncode, 3, "no daemon")


@test
def a_second_daemon(p):
    furnish(p)
    trace = p.dir / "boot.trace"
    d = p.daemon("--record", str(trace))
    inode = trace.stat().st_ino
    done = run(str(p.build / "tools/devmuxd"), "--runtime-dir", str(d.runtime), "--units", str(p.units), "--record", str(trace), code=1)
    contains(done.stderr, "already running", "it is refused")
    check(trace.exists() and trace.stat().st_ino == inode, "the recording of the first is still there")
    d.terminate()
    same(d, trace, "stopped")


@test
def files_of_others(p):
    """Whoever made the file before us neither keeps it open nor chooses who reads it."""
    furnish(p)
    d = p.daemon()
    for args in (["--for", "1ms"], ["--redact", "--from", str(SOURCE / "man/tutorial/login.trace")]):
        path = p.dir / "theirs.trace"
        path.unlink(missing_ok=True)
        path.write_text("theirs")
        path.chmod(0o666)
        os.chown(path, 65534, 65534)
        with open(path, encoding="utf-8") as kept_open:
            d.ask("record", "-o", str(path), *args)
            equal(kept_open.read(), "theirs", "the file that was there")
        equal((path.stat().st_mode & 0o777, path.stat().st_uid), (0o600, os.geteuid()), "mode and owner")
        play(d, path)
    for path in (p.dir, "/dev/null"):
        contains(d.ask("record", "-o", str(path), "--for", "1ms", code=1).stderr, "regular file", "no file")


@test
def large_ones(p):
    """What may be written can be read."""
    furnish(p)
    d = p.daemon()
    trace, clean = p.dir / "large.trace", p.dir / "clean.trace"
    text = (SOURCE / "man/tutorial/login.trace").read_text()
    with open(trace, "w", encoding="utf-8") as f:
        f.write(text[:text.rfind("end ")])
        for _ in range(70):
            f.write("# of no meaning, but long\n" * 42000)
        f.write("end asked\n")
    contains(play(d, trace)[1], "the same decisions", "more than 64 MiB")
    d.ask("record", "--redact", "--from", str(trace), "-o", str(clean))
    equal(clean.stat().st_size, trace.stat().st_size, "its size")
    contains(run(str(p.build / "tools/devmuxd"), "--record-limit", "257", code=2).stderr, "257", "more than can be read")


@test
def an_end_without_the_daemon(p):
    """A daemon that does not answer is not waited for: Ctrl-C twice, or once and a moment."""
    furnish(p)
    d = p.daemon()
    paths = [p.dir / f"stopped{i}.trace" for i in range(2)]
    twice, once = [d.begin("record", "-o", str(path)) for path in paths]
    eventually(lambda: all(path.exists() and "\nbegin\n" in path.read_text() for path in paths), "they begin")
    d.process.send_signal(signal.SIGSTOP)
    try:
        once.send_signal(signal.SIGINT)
        eventually(lambda: twice.poll() is not None or twice.send_signal(signal.SIGINT), "a second Ctrl-C ends it")
        equal(twice.returncode, -signal.SIGINT, "by the signal")
        asking = d.begin("record")
        eventually(lambda: asking.poll() is not None or asking.send_signal(signal.SIGINT), "Ctrl-C while it asks")
        equal(asking.returncode, -signal.SIGINT, "by the signal")
        eventually(lambda: once.poll() is not None, "it waits no longer")
        equal(once.returncode, 3, "no daemon that answers")
        contains(once.stderr.read(), "cut off", "what it says")
    finally:
        d.process.send_signal(signal.SIGCONT)


@test
def attributes_that_were_asked_for(p):
    """What no unit names is read while somebody asks: not for ever, and not all that ever was."""
    furnish(p)
    d = p.daemon()
    trace, numbers = p.dir / "asked.trace", itertools.count()
    for i in range(100):
        d.ask("eval", f'network interface[name = "none" and attr.asked{i} = "x"]', code=None)
    waiting = d.begin("wait", "--timeout", "none", 'network interface[name = "none" and attr.awaited = "x"]')
    recorder = d.begin("record", "-o", str(trace))
    eventually(lambda: trace.exists() and "\nbegin\n" in trace.read_text(), "it begins")

    def read_of_new():
        """The attributes that a new link is read for."""
        name = p.add_link(p.name(f"A{next(numbers)}"), kind="bridge")
        d.wait_link(name)
        d.barrier()
        found = re.findall(rf"^\w+ \S*/{name}\n((?:  .*\n)*)", trace.read_text(), re.M)
        return set(re.findall(r"^  (?:attr|awaited)\.([^=\n]*)", "".join(found), re.M))

    eventually(lambda: "awaited" in read_of_new(), "the wait is known")
    names = read_of_new()
    check("asked99" in names, "the last one is read", names)
    check(len([n for n in names if n.startswith("asked")]) <= 64, "not all that ever were", names)
    waiting.terminate()
    waiting.wait(60)
    eventually(lambda: "awaited" not in read_of_new(), "the wait has ended")
    d.ask("reload")
    check(not [n for n in read_of_new() if n.startswith("asked")], "a reload begins anew")
    recorder.terminate()
    equal(recorder.wait(60), 0, "exit code")
    same(d, trace, "asked")


@test
def what_if_changes_nothing(p):
    furnish(p)
    d = p.daemon()
    p.add_link("v")
    d.until_state("w", "active")
    d.until_state("held", "failed")  # it would else be what happens next
    d.barrier()
    before, counters = d.ask("list").stdout, d.counters()
    runs = len(p.runs("w")), len(p.runs("file"))
    text = d.ask("whatif", f"remove {p.name('v')}", "+1s").stdout
    contains(text, "w: stopping (no longer", "what would happen")
    contains(text, "run w stop ACTION=remove", "what would be run")
    contains(d.ask("whatif", "+1ms").stdout, "nothing would happen", "nothing")
    contains(d.ask("whatif", "file /go yes").stdout, "run file start", "a file")
    contains(d.ask("whatif", "stop w").stdout, "w: stopping (by hand)", "by hand")
    check(len(d.ask("whatif", "remove network interface", "+1s").stdout.splitlines()) > 2, "a class")
    d.ask("whatif", "remove nobody-there", code=4)
    for event in ("reload x", "crash", "restart", "snapshot"):
        contains(d.ask("whatif", event, "+1s", code=4).stderr, "cannot be asked", event)
    d.ask("whatif", code=2)
    equal(d.json("whatif", "file /go yes")[-1].split(" ", 1)[1], "file: active", "JSON")
    equal([d.ask("list").stdout.count("active"), (len(p.runs("w")), len(p.runs("file")))],
          [before.count("active"), runs], "it is as it was")
    equal(d.counters()["lost"], counters["lost"], "counters")


@test
def without_secrets(p):
    furnish(p)
    name = p.name("m")
    p.unit("address", f"while: 'network interface[name = \"{name}\" and attr.address ~ \"*:*:*\"]'\n" + p.command(stop=True))
    trace, clean, again = p.dir / "a.trace", p.dir / "b.trace", p.dir / "c.trace"
    d = p.daemon("--record", str(trace))
    recorder = d.begin("record", "--redact", "-o", str(clean))
    eventually(clean.exists, "it begins")
    p.add_link("m", kind="bridge")
    run("ip", "link", "set", name, "address", "02:ca:fe:12:34:56")
    with open(f"/sys/devices/virtual/net/{name}/uevent", "w", encoding="ascii") as f:
        f.write("change 00000000-0000-0000-0000-000000000000 SERIAL=TOPSECRET")
    d.until_state("address", "active")
    d.barrier()
    recorder.send_signal(signal.SIGTERM)
    equal(recorder.wait(60), 0, "exit code")
    d.terminate()
    d.ask("record", "--redact", "--from", str(trace), "-o", str(again))
    for secret in ("TOPSECRET", "02:ca:fe:12:34:56"):
        contains(trace.read_text(), secret, "the secret")
    for path in (clean, again):
        for secret in ("TOPSECRET", "02:ca:fe:12:34:56"):
            check(secret not in path.read_text(), f"{secret} is gone from {path.name}")
        contains(play(d, path)[1], "the same decisions", path.name)
    equal(os.stat(again).st_mode & 0o777, 0o600, "mode")
