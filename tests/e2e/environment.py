"""What a program gets: exactly what the manual says, and nothing that a device made up."""
import re

from checks import check, contains, equal, test
from uevents import Forger, message


@test
def environment_is_the_daemons_gift_alone(p):
    """Exactly what the manual lists; nothing of the daemon's own; descriptors, folder, umask, session."""
    name = p.name("v")
    env, proc = p.out / ".env", p.out / ".proc"
    # The shell itself blocks signals while it begins a program: its own eyes are used.
    look = p.program("look", f"#!/bin/sh\n{{ pwd; umask; cut -d' ' -f6 /proc/$$/stat; echo pid $$;\n"
                             f"while read -r key value; do case $key in SigBlk:|SigIgn:) echo $key $value;; esac; done "
                             f"</proc/$$/status; }} >{proc}\n")
    when = f"when: 'network interface[name = \"{name}\"]'\n"
    p.unit("env", when + f"environment: {{OWN: 'a b', PATH: /own}}\ncommand: {{start: [/bin/cp, /proc/self/environ, {env}]}}\n")
    p.unit("proc", when + f"command: {{start: [{look}]}}\n")
    p.unit("fds", when + "command: {start: [/bin/ls, -l, /proc/self/fd]}\n")
    d = p.daemon(env={"PATH": "/usr/sbin:/usr/bin", "LD_BIND_NOW": "1", "SECRET": "s", "LANG": "C"})
    p.add_link("v")
    d.until_state("env", "done")
    got = env.read_text().split("\0")[:-1]
    index = open(f"/sys/class/net/{name}/ifindex").read().strip()
    equal(got[:5], ["DEVMUX_UNIT=env", f'DEVMUX_REASON=network interface[name = "{name}"]',
                    "OWN=a b", "PATH=/own", "HOME=/"], "the first variables")
    numbers = [v for v in got[5:] if re.fullmatch(r"SEQNUM=\d+", v)]
    equal(len(numbers), 1, "SEQNUM: an event was the reason")
    equal(sorted({*got[5:]} - {*numbers}), sorted(["ACTION=add", f"DEVPATH=/devices/virtual/net/{name}",
                                   "SUBSYSTEM=net", f"INTERFACE={name}", f"IFINDEX={index}"]),
          "the device's variables")
    d.until_state("proc", "done")
    lines = proc.read_text().splitlines()
    equal(lines[:2], ["/", "0022"], "folder and umask")
    equal("pid " + lines[2], lines[3], "a session of its own")
    equal([line.split()[1] for line in lines[4:]], ["0" * 16] * 2, "signals blocked and ignored")
    d.until_state("fds", "done")
    fds = dict(re.findall(r" (\d+) -> (.*)", (p.dir / "run/log/fds").read_text()))
    log = str(p.dir / "run/log/fds")
    equal({n: fds.get(n) for n in "012"}, {"0": "/dev/null", "1": log, "2": log}, "descriptors")
    equal(sorted(fds), ["0", "1", "2", "3"], "no others; 3 is the folder that ls reads")


@test
def a_name_that_a_shell_would_obey(p):
    name = f"{p.tag};`id`$(x)"
    p.unit("u", f"each-event: 'network interface[name ~ \"{p.tag}*\"]'\nactions: [add]\n" + p.command())
    p.daemon()
    p.add_link(name, kind="bridge")
    equal(p.until_runs("u", 1)[0].env["INTERFACE"], name, "INTERFACE")


@test
def a_name_that_a_terminal_would_obey(p):
    """A link may be called so; it comes, is shown escaped, reaches programs without control characters,
    and goes, also where it is a link of a good name that is renamed to it."""
    good, bad = p.name("x"), f"{p.tag}x\x1b[1mQ"
    # Not `{p.tag}*`: the links of a barrier would match as well.
    p.unit("w", f"while: 'network interface[name ~ \"{p.tag}x*\"]'\n" + p.command(stop=True))
    d = p.daemon()
    p.add_link(good, kind="bridge")
    d.until_state("w", "active")
    p.rename_link(good, bad)
    d.barrier()
    for args in (["devices"], ["devices", "--json"], ["status", "w"], ["explain", "w"], ["list"]):
        check("\x1b" not in d.ask(*args).stdout, f"devmux {args}: no escape reaches the terminal")
    check("\x1b" not in d.log_text(), "no escape reaches the log")
    p.del_link(bad)
    d.barrier()
    d.until_state("w", "waiting")
    p.add_link(bad, kind="bridge")
    start = p.until_runs("w", 2, "start")[1]
    equal(start.env["INTERFACE"], bad.replace("\x1b", "_"), "INTERFACE")
    contains(d.ask("devices").stdout, "\\x1b[1mQ", "shown escaped")


@test
def what_the_kernel_says_is_not_obeyed(p):
    """A message of the kernel's with variables that programs take orders from."""
    name = p.add_link("v", kind="bridge")
    p.unit("u", f"each-event: 'network interface[name = \"{name}\"]'\nactions: [change]\n" + p.command())
    p.daemon()
    evil = {"LD_PRELOAD": "/x.so", "PATH": "/evil", "IFS": "x", "ENV": "/x", "BASH_ENV": "/x", "HOME": "/x",
            "PERL5OPT": "-x", "PYTHONSTARTUP": "/x", "DEVMUX_UNIT": "root", "SHELLOPTS": "xtrace", "lower": "1",
            "WITH-DASH": "1", "LC_ALL": "x"}
    with Forger() as forger:
        forger.by_kernel(message("change", f"/devices/virtual/net/{name}", f"INTERFACE={name}", "GOOD=a=b=",
                                 "CONTROL=a\nb\x1b", *(f"{k}={v}" for k, v in evil.items())))
    (run,) = p.until_runs("u", 1)
    equal([run.env[k] for k in ("GOOD", "CONTROL", "DEVMUX_UNIT", "HOME")], ["a=b=", "a_b_", "u", "/"], "variables")
    taken = {k for k, v in evil.items() if run.env.get(k) == v}
    equal(taken, set(), "variables that must not come through")
