"""What people type who have not read the manual: each answer says what, where, and what to do next."""
import json

from checks import check, contains, equal, test
from place import run


@test
def units_that_are_not_there(p):
    """eval and wait name the units of a condition that nobody has loaded; they may come, so the exit codes stay."""
    p.unit("hello", p.command(stop=True))
    p.unit("each", 'for-each: disk[name = "none"]\n' + p.command(stop=True))
    p.unit("broken", "when: mause\n" + p.command())
    (p.units / "masked.yaml").symlink_to("/dev/null")
    d = p.daemon()
    for condition, code, what, hint in (
            ("unit helo active", 1, 'there is no unit "helo"', "did you mean hello?"),
            ("no unit helo active", 0, 'there is no unit "helo"', "did you mean hello?"),
            ("unit hello.yaml active", 1, 'there is no unit "hello.yaml"', "without .yaml: hello"),
            ("unit zzzzzz active", 1, 'there is no unit "zzzzzz"', "devmux list"),
            ("unit masked active", 1, 'the unit "masked" is masked', "devmux unmask masked"),
            ("unit broken active", 6, 'the unit "broken" is broken: ', "mause"),
            ("unit each@sda active", 1, 'the unit "each" has no instance "each@sda"', "it has none now"),
            ("unit helo active or unit helo failed", 1, 'there is no unit "helo"', "did you mean hello?")):
        done = d.ask("eval", condition, code=code)
        contains(done.stderr, "devmux: " + what, condition)
        contains(done.stderr, hint, condition)
        equal(done.stderr.count("devmux: "), 1, f"{condition}: said once")
        absent = json.loads(d.ask("eval", "--json", condition, code=code).stdout)["absent"]
        equal(len(absent), 1, f"{condition}: in JSON")
        contains(absent[0]["what"], what.removesuffix(": "), condition)
        done = d.ask("wait", "--timeout", "2m" if code == 0 else "50ms", condition, code=0 if code == 0 else 124)
        contains(done.stderr, what, f"wait {condition}")
        contains(done.stderr, hint, f"wait {condition}")
    equal(d.ask("eval", "unit hello active", code=1).stderr, "", "of one that is there nothing is said")
    equal(d.json("eval", "unit hello active or unit each active", code=1)["absent"], [], "nor in JSON")
    contains(d.ask("eval", "unit hello active", code=1).stdout, "it is waiting; it takes the unit itself: devmux explain hello", "why")
    contains(d.ask("eval", "unit helo active", code=1).stdout, "there is no such unit", "why")
    contains(d.ask("eval", "unit broken active", code=6).stdout, "it is broken, or not loaded", "why it is unknown")
    waits = d.begin("wait", "--timeout", "2m", "unit helo active")
    contains(waits.stderr.readline(), 'there is no unit "helo"; waiting', "said at once")
    p.unit("helo", p.command(stop=True))
    contains(d.ask("eval", "unit helo active", code=1).stderr, "devmux reload", "there, and not loaded")
    d.ask("reload", code=1)
    d.ask("start", "helo")
    equal(waits.wait(60), 0, "it came")
    contains(d.ask("status", "a\nb", code=4).stderr, 'there is no unit "a\\x0ab"\n', "escaped once")
    contains(d.ask("start", "hello.yaml", code=4).stderr, "without .yaml: hello", "who names the file")
    contains(d.ask("status", "/etc/devmux/units.d/hello.yaml", code=4).stderr, "without .yaml: hello", "or its path")


@test
def what_else_a_unit_says(p):
    """status and list show takes-down, if-missing, chosen-by with its choice, and the links."""
    choice = p.root / "etc/choice"
    for name in ("one", "other"):
        p.init_script(name)
    p.unit("dm", "init-script: one\nchosen-by: /etc/choice\nif-missing: skip\nprovides: $dm\nthen: [last]\non-failure: last\n")
    p.unit("net", "while: 'network interface[name = \"none\"]'\ntakes-down: 'network interface[name ~ \"eth*\"]'\n"
                  "requires: [leaf, $dm]\nwants: leaf\nafter: leaf\nbefore: last\nconflicts: other\n" + p.command(stop=True))
    p.unit("keeps", "takes-down: no\n" + p.command(stop=True))
    for name in ("leaf", "last"):
        p.unit(name, p.command(stop=True))
    d = p.daemon()
    text = d.ask("status", "net").stdout
    for line in ('  takes-down: network interface[name ~ "eth*"]', "    requires: leaf, $dm", "       wants: leaf", "       after: leaf",
                 "      before: last", "   conflicts: other"):
        contains(text, line + "\n", "status net")
    text = d.ask("status", "dm").stdout
    for line in ("      starts: init-script one", "  if-missing: skip", "   chosen-by: /etc/choice, which chooses none", "    provides: $dm",
                 "        then: last", "  on-failure: last"):
        contains(text, line + "\n", "status dm")
    contains(d.ask("status", "keeps").stdout, "  takes-down: no\n", "status keeps")
    text = d.ask("status", "leaf").stdout
    check(not any(key in text for key in ("takes-down", "if-missing", "chosen-by", "requires")), "nothing of what it does not say", text)
    net = d.json("status", "net")
    equal([net[k] for k in ("takes_down", "if_missing", "chosen_by", "chosen", "requires", "conflicts", "on_failure")],
          ['network interface[name ~ "eth*"]', "", "", "", ["leaf", "$dm"], ["other"], []], "in JSON")
    text = d.ask("list").stdout
    contains(text, '; requires leaf, $dm; takes-down network interface[name ~ "eth*"]\n', "list")
    check("(chosen)" not in text, "nobody has chosen", text)
    d.ask("start", "dm")
    choice.write_text("/usr/sbin/other\n")
    d.ask("reload")
    contains(d.ask("status", "dm").stdout, "   chosen-by: /etc/choice, which chooses other, once this one has stopped\n", "status dm")
    equal([d.unit("dm")[k] for k in ("service", "chosen_by", "chosen")], ["init-script one", "/etc/choice", "other"], "in JSON")
    contains(d.ask("list").stdout, "init-script one (next: other)", "list")
    d.ask("restart", "dm")
    contains(d.ask("status", "dm").stdout, "   chosen-by: /etc/choice, which chooses other\n", "status dm")
    contains(d.ask("list").stdout, "init-script other (chosen)", "list")


@test
def nothing_over_the_network(p):
    """Of a machine on disks it is said why no interface carries its root, and no network card is advised."""
    if run("findmnt", "-no", "FSTYPE", "/").stdout.strip().startswith(("nfs", "cifs", "smb")):
        return
    p.add_link("v")
    d = p.daemon()
    d.wait("no network interface[carries-root]")
    text = d.ask("eval", "network interface[carries-root]", code=1).stdout
    contains(text, "none: nothing of / or /usr comes over the network (/ is on ", "why")
    check("it takes" not in text and p.name("v") not in text, "nobody is sent for a card", text)
    contains(d.ask("eval", "network interface[name = \"none\"]", code=1).stdout, "it takes a network card", "another one is")


@test
def wrong_words_on_the_command_line(p):
    """They are told with the subcommand, how that is called, and where there is more."""
    d = p.daemon()
    for args, what, usage in ((["explain"], "devmux: explain: unit is required", "devmux explain [OPTIONS] unit"),
                              (["status", "a", "b"], 'devmux: status: unexpected "b"', "devmux status [OPTIONS] [unit]"),
                              (["status", "--nonsense"], 'devmux: status: unexpected "--nonsense"', "devmux status"),
                              (["wait", "cpu", "--timeout"], "devmux: wait: --timeout: 1 required TIME missing", "devmux wait"),
                              (["wait", "--timeout", "5", "cpu"], 'devmux: wait: --timeout: "5" is no time', "devmux wait"),
                              (["record", "--for", "5"], 'devmux: record: --for: "5" is no time', "devmux record"),
                              (["check", "--root", p.dir / "nowhere"], f'devmux: check: --root: "{p.dir}/nowhere" is no folder that is there',
                               "devmux check [OPTIONS] [path...]"),
                              (["check", "--root", p.recorder], "is no folder that is there", "devmux check"),
                              ([], "devmux: ", "devmux [OPTIONS] SUBCOMMAND")):
        done = run(str(d.tools / "devmux"), *map(str, args), code=2)
        contains(done.stderr, what, f"{args}")
        contains(done.stderr, "\n    usage: " + usage, f"{args}: how it is called")
        contains(done.stderr, f"`devmux {args[0]} --help`" if args else "`devmux --help`", f"{args}: where there is more")
        equal(done.stdout, "", f"{args}: nothing else")
    contains(run(str(d.tools / "devmux"), "--nonsense", code=2).stderr, '"--nonsense" is no option', "in front of a subcommand")
    d.ask("check", "--root", p.root)


@test
def classes_and_drop_ins_that_are_checked(p):
    """check FILE tells what the file breaks, also where that stands at another one."""
    d = p.daemon(wait=False)
    path = p.units / "classes.d/a-mouse.yaml"
    path.write_text("class: mouse\nsubsystem: input\n")
    text = d.ask("check", path, code=1).stdout
    contains(text, 'mouse.yaml: error: the name "mouse" is taken by the class "mouse"', "a class of a name that another has")
    path.unlink()
    unit = p.unit("u", "description: x\nwhen: cpu\n" + p.command(stop=True))
    p.unit("u.yaml.d/good", "and-when: mouse\n")
    contains(d.ask("check", p.units / "u.yaml.d/good.yaml").stdout, "1 unit is good, 0 errors", "a drop-in is checked with its unit")
    p.unit("u.yaml.d/bad", "linger: 5s\n")
    contains(d.ask("check", p.units / "u.yaml.d/bad.yaml", code=1).stdout, '"linger" needs "while"', "what it breaks")
    contains(d.ask("check", unit, code=1).stdout, '"linger" needs "while"', "and of the unit")
