"""Facts of mounts, on real mounts in a mount namespace of the daemon's own."""
import os
import subprocess
import sys

from checks import check, contains, equal, eventually, test
from place import run

PRIVATE = ("unshare", "--mount", "--propagation", "private")

# Mounts an autofs whose daemon is a pipe: a lookup that triggers it writes into that. The program of
# its process group sees no automount, so it is in a group of its own; then it says whether it was asked.
AUTOFS = """
import ctypes, os, select, sys
os.setpgid(0, 0)
ends = os.pipe()
os.set_inheritable(ends[1], True)
options = f"fd={ends[1]},pgrp={os.getpid()},minproto=5,maxproto=5,direct"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"auto", sys.argv[1].encode(), b"autofs", 0, options.encode()) != 0:
    print("none", flush=True)
    sys.exit()
print("mounted", flush=True)
for line in sys.stdin:
    if line == "over\\n":
        print(libc.mount(b"over", sys.argv[1].encode(), b"tmpfs", 0, b"size=64k"), flush=True)
    else:
        print("asked" if select.select([ends[0]], [], [], 0)[0] else "quiet", flush=True)
"""


def daemon(p, *args):
    """And a function that runs a program in its mount namespace."""
    d = p.daemon(*args, prefix=PRIVATE)
    return d, lambda *argv: run("nsenter", "--target", str(d.pid), "--mount", *argv)


def explained(d, unit):
    return d.ask("explain", unit).stdout


@test
def mounts_are_followed(p):
    srv = p.root / "srv"
    srv.mkdir()
    (p.root / "other").mkdir()
    p.unit("m", "while: /srv mounted\n" + p.command(stop=True))
    p.unit("t", "while: /srv/deep/below is on tmpfs\n" + p.command(stop=True))
    p.unit("n", "while: not /srv mounted\n" + p.command(stop=True))
    d, inside = daemon(p)
    d.until_state("n", "active")
    equal(d.state("m"), "waiting", "nothing is mounted")
    contains(explained(d, "m"), "not mounted; it lies on", "why not")
    inside("mount", "-t", "tmpfs", "-o", "size=64k", "first", srv)
    d.until_state("m", "active")
    d.until_state("t", "active")
    d.until_state("n", "waiting")
    contains(explained(d, "t"), "on tmpfs (first), mounted at /srv", "what was seen")
    # Another over it: still mounted, and of its type; a bind mount is of the type of what it shows.
    starts = d.starts("m")
    inside("mount", "-t", "ramfs", "second", srv)
    d.until_state("t", "waiting")
    inside("umount", "--lazy", srv)
    d.until_state("t", "active")
    inside("mount", "--bind", srv, p.root / "other")
    d.wait("/other on tmpfs and /other mounted")
    equal(d.starts("m"), starts, "it was mounted all the time")
    inside("umount", srv)
    for unit in "mt":
        d.until_state(unit, "waiting")
    d.until_state("n", "active")
    equal(d.truth("/other mounted"), "true", "the bind mount stays")
    equal(os.path.ismount(srv), False, "this namespace has none of it")


@test
def covered_mounts_are_not_seen(p):
    (p.root / "a/b").mkdir(parents=True)
    d, inside = daemon(p)
    inside("mount", "-t", "tmpfs", "-o", "size=64k", "below", p.root / "a/b")
    d.wait("/a/b mounted")
    inside("mount", "-t", "tmpfs", "-o", "size=64k", "over", p.root / "a")
    d.wait("/a mounted and not /a/b mounted")
    inside("umount", p.root / "a")
    d.wait("/a/b mounted and not /a mounted")


@test
def a_thousand_quick_mounts(p):
    """They end in the right fact, whichever was seen."""
    srv = p.root / "srv"
    srv.mkdir()
    p.unit("m", "while: /srv mounted\n" + p.command(stop=True))
    d, inside = daemon(p)
    loop = 'i=0; while [ $i -lt 1000 ]; do mount -t tmpfs -o size=64k x "$0" && umount "$0" || exit 1; i=$((i+1)); done'
    inside("sh", "-c", loop, srv)
    d.wait("not /srv mounted")
    d.until_state("m", "waiting")
    inside("sh", "-c", loop + '; mount -t tmpfs -o size=64k last "$0"', srv)
    d.wait("/srv mounted")
    d.until_state("m", "active")
    verbs = [r.argv[0] for r in p.runs("m")]
    equal(verbs, ["start", "stop"] * (len(verbs) // 2) + ["start"], "in turns")


@test
def an_automount_is_not_triggered(p):
    auto = p.root / "auto"
    auto.mkdir()
    p.unit("m", "while: /auto mounted\n" + p.command(stop=True))
    d, _ = daemon(p)
    argv = ["nsenter", "--target", str(d.pid), "--mount", sys.executable, "-c", AUTOFS, str(auto)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as automount:
        if automount.stdout.readline() == "none\n":
            print("  this kernel has no autofs: not tested")
            return

        def say(word):
            automount.stdin.write(word + "\n")
            return automount.stdout.readline().strip()

        eventually(lambda: "an automount that nobody has used yet" in explained(d, "m"), "it is seen", d.log_text)
        equal(d.truth("/auto mounted"), "false", "an automount is not mounted")
        equal(d.truth("/auto/below on tmpfs"), "false", "nothing lies on it")
        d.ask("reload")
        equal(d.truth("/auto mounted"), "false", "after a reload")
        equal(say("asked?"), "quiet", "nobody looked")
        equal(say("over"), "0", "mounted over it")
        d.until_state("m", "active")
        equal(d.truth("/auto on tmpfs"), "true", "what it mounted counts")
        automount.stdin.close()
        automount.wait()


@test
def mounts_and_a_killed_daemon(p):
    """What is mounted meanwhile is found; who runs is not started again; the recording plays the same."""
    srv = p.root / "srv"
    srv.mkdir()
    (p.root / "home").mkdir()
    p.unit("m", "while: /srv mounted\n" + p.command(stop=True))
    p.unit("h", "while: /home on tmpfs\n" + p.command(stop=True))
    holder = subprocess.Popen([*PRIVATE, "sleep", "infinity"])
    p.owns_process(holder.pid)
    eventually(lambda: os.readlink(f"/proc/{holder.pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"), "its namespace")
    enter = ("nsenter", "--target", str(holder.pid), "--mount")
    d = p.daemon(prefix=enter)
    run(*enter, "mount", "-t", "tmpfs", "-o", "size=64k", "x", srv)
    d.until_state("m", "active")
    d.kill()
    run(*enter, "mount", "-t", "tmpfs", "-o", "size=64k", "x", p.root / "home")
    trace = p.dir / "trace"
    d = p.daemon("--record", str(trace), prefix=enter)
    d.until_state("h", "active")
    d.wait("/srv mounted")
    equal(d.state("m"), "active", "adopted")
    equal(len(p.runs("m")), 1, "started once")
    run(*enter, "umount", srv)
    d.until_state("m", "waiting")
    p.unit("h", "while: /home on ext4\n" + p.command(stop=True))
    d.ask("reload")
    d.until_state("h", "waiting")
    d.terminate()
    contains(trace.read_text(), "mount /srv /srv tmpfs x", "recorded")
    contains(d.ask("simulate", trace).stderr, "the same decisions", "replayed")
    equal([r.argv[0] for r in p.runs("m")], ["start", "stop"], "once each")
    holder.kill()
    holder.wait()


@test
def facilities_are_met_by_mounts(p):
    (p.root / "etc/fstab").write_text("x /srv tmpfs size=64k 0 0\ns:/far /far nfs4 defaults 0 0\ny /later tmpfs noauto 0 0\n")
    (p.root / "srv").mkdir()
    (p.root / "go").mkdir()
    p.unit("l", "requires: $local_fs\nwhen: file /go exists\n" + p.command(stop=True))
    p.unit("r", "requires: $remote_fs\nwhen: file /go exists\n" + p.command(stop=True))
    d, inside = daemon(p)
    eventually(lambda: "waits for $local_fs: tmpfs (x) of /etc/fstab is not mounted at /srv" in d.ask("status", "l").stdout,
               "it says what is missing", d.log_text)
    inside("mount", "-t", "tmpfs", "-o", "size=64k", "x", p.root / "srv")
    d.until_state("l", "active")
    eventually(lambda: "nfs4 (s:/far) of /etc/fstab is not mounted at /far" in d.ask("status", "r").stdout,
               "and so does the other", d.log_text)
    (p.root / "etc/fstab").write_text("x /srv tmpfs size=64k 0 0\n")
    d.ask("reload")
    d.until_state("r", "active")
    inside("umount", p.root / "srv")
    d.wait("not /srv mounted")
    d.barrier()
    equal(d.state("l"), "active", "what is unmounted later stops nobody")
