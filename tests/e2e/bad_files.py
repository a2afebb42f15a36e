"""Bad unit files through the real daemon: each is a clear error that names the place, the daemon stays
up, and other units work."""
import os
import random
import re

from checks import Failure, check, contains, equal, test

GOOD = "command: {start: [/bin/true]}\n"

# name: (the file, what is said behind "NAME.yaml:", the line shown with its caret or None)
BAD = {
    "unknown-key": ("when: mouse\nwhenn: mouse\n" + GOOD, ':2:1: unknown key "whenn" in a unit', None),
    "near-key": ("when: mouse\ninit-scrpt: x\n", 'did you mean "init-script"?', None),
    "repeated-key": ("when: mouse\n" + GOOD + "when: keyboard\n", ':3:1: the key "when" stands here again', "when: keyboard"),
    "repeated-inside": ("command:\n  start: [/bin/true]\n  start: [/bin/false]\n", ':3:3: the key "start" stands here again',
                        "  start: [/bin/false]"),
    "type-list": ("when: mouse\ncommand: /bin/true\n", ':2:10: command: expected {start: […], stop: […]}, found "/bin/true"', None),
    "type-map": ("when: mouse\ninit-script: {a: b}\n", ":2:14: ", None),
    "type-bool": ("task: perhaps\n" + GOOD, ":1:7: ", None),
    "type-duration": ("while: mouse\nlinger: 5\ninit-script: x\n", ':2:9: linger: expected a duration, found "5"', None),
    "when-yes": ("when: yes\n" + GOOD, ':1:7: ', None),
    "not-absolute": ("command: {start: [true]}\n", ':1:19: ', None),
    "syntax": ("when: mouse and and keyboard\n" + GOOD, ":1:17: when: ", "mouse and and keyboard"),
    "syntax-word": ("description: x\nwhen: mause and framebuffer\n" + GOOD, ':2:7: when: "mause" is no class of devices', "mause and framebuffer"),
    "syntax-predicate": ("when: 'disk[nme = \"a\"]'\n" + GOOD, ":1:13: when: ", 'disk[nme = "a"]'),
    "syntax-quote": ("when: 'disk[name = \"a]'\n" + GOOD, ":1:20: when: ", 'disk[name = "a]'),
    "first-while": ("while: first disk\ninit-script: x\n", ":1:8: `first` cannot stand in `while`", "first disk"),
    "two-conditions": ("when: mouse\nwhile: mouse\ninit-script: x\n", '"while" cannot stand beside "when"', None),
    "nothing": ("when: mouse\n", ":1:1: the unit starts nothing", None),
    "bomb": ("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n",
             ":1:4: anchors (&name) are not read here", "a: &a [x,x,x,x,x,x,x,x,x]"),
    "alias": ("when: *x\n" + GOOD, ":1:7: ", "when: *x"),
    "tag": ("when: !!python/object:os.system mouse\n" + GOOD, ":1:7: tags", "when: !!python/object:os.system mouse"),
    "brackets-10mb": ("[" * 10_000_000, ": has 10000000 bytes, more than the 65536", None),
    "brackets-60kb": ("[" * 60_000, ": brackets are nested too deep", None),
    "maps-60kb": ("\n".join(" " * i + "a:" for i in range(340)) + "\n", ":25:25: nested deeper than 24 levels", None),
    "list-60kb": ("- " * 30_000 + "x\n", ":1:49: nested deeper than 24 levels", None),
    "values": ("documentation: [" + "a," * 20_000 + "a]\n" + GOOD, "more than 4096 values", None),
    "garbage": (random.Random(1).randbytes(40_000), ":", None),
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(9) + random.Random(2).randbytes(5000), ": is no text: byte 7 is a NUL", None),
    "high-bytes": (b"when: mo\xff\xfeuse\n" + GOOD.encode(), ":1:9: when: ", "mo\\xff\\xfeuse"),
    "escape": (b"when: \"mouse\\e[31m\"\n" + GOOD.encode(), ":1:13: when: ", "mouse\\x1b[31m"),
    "no-yaml": ("when: [mouse\n" + GOOD, ": this is not YAML", None),
    "tabs": ("command:\n\tstart: [/bin/true]\n", ": this is not YAML", None),
    "empty": ("", ": is empty", None),
    "documents": ("when: mouse\n" + GOOD + "---\nwhen: keyboard\n", ": holds more than one document", None),
    "long-text": (f"description: {'x' * 5000}\n" + GOOD, ":1:14: ", None),
    "environment": ("environment: {DEVMUX_UNIT: x}\n" + GOOD, ":1:15: ", None),
}


def place_of(text, name):
    return re.search(rf"{re.escape(name)}\.yaml[:.]", text)


def caret_stands(text, expected, source):
    """Under the source that is shown, the caret stands in the column that the message names."""
    if source is None:
        return
    lines = text.splitlines()
    for i, line in enumerate(lines[:-1]):
        if line.strip() == source.strip() and re.fullmatch(r" *\^", lines[i + 1]):
            return
    raise Failure(f"{source!r} with a caret is not in\n{text}")


def write_bad(p):
    for name, (text, _, _) in BAD.items():
        p.unit(name, text)
    (p.units / "world.yaml").write_text(GOOD)
    (p.units / "world.yaml").chmod(0o666)
    (p.units / "foreign.yaml").write_text(GOOD)
    os.chown(p.units / "foreign.yaml", 1234, 0)
    os.mkfifo(p.units / "fifo.yaml")
    (p.units / "folder.yaml").mkdir()
    (p.units / "dangling.yaml").symlink_to("nowhere")
    p.unit("bad name!", GOOD)
    p.unit("circle-a", "when: unit circle-b active\n" + GOOD)
    p.unit("circle-b", "when: unit circle-a done\n" + GOOD)
    return {"world": "can be written by others than its owner: not read", "foreign": "belongs to uid 1234",
            "fifo": "is no regular file", "folder": "is no regular file", "dangling": "cannot be opened",
            "bad name!": "a unit's name has 1 to 64 characters", "circle-a": "it waits for itself"}


def works(p, d):
    """A good unit beside the bad ones still follows its link."""
    p.add_link("v")
    p.until_runs("good", 1, "start")
    d.until_state("good", "active")
    p.del_link(p.name("v"))
    p.until_runs("good", 1, "stop")


@test
def bad_files_break_themselves_alone(p):
    other = write_bad(p)
    p.unit("good", f"while: 'network interface[name = \"{p.name('v')}\"]'\n" + p.command(stop=True))
    d = p.daemon()
    troubles = []
    overview = d.ask("status").stdout
    for name, (_, said, source) in {**BAD, **{n: (None, s, None) for n, s in other.items()}}.items():
        try:
            text = d.ask("status", name, code=1).stdout
            contains(text, "broken", "state")
            check(place_of(text, name), "the file is named", text)
            contains(text, said, "what is said")
            caret_stands(text, said, source)
            check(len(text) < 3000, "the message has an end", len(text))
            check(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), "no control characters", repr(text))
            check(re.search(rf"^{re.escape(name)} +broken ", overview, re.M), "it is in the overview", overview)
            check(place_of(d.log_text(), name), "the log names it")
        except Failure as e:
            troubles.append(f"{name}: {e}")
    check(not troubles, "bad files", *troubles)
    equal(d.status()["units"], {"broken": len(BAD) + len(other) + 1, "waiting": 1}, "how many")
    strange = [repr(x) for x in d.log_text().split("\n") if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", x)]
    equal(strange, [], "lines of the log with control characters")
    works(p, d)


@test
def check_says_the_same_without_a_daemon(p):
    other = write_bad(p)
    troubles = []
    no_daemon = p.daemon("--version", wait=False)
    no_daemon.process.wait()
    for name, (_, said, source) in BAD.items():
        try:
            path = p.units / f"{name}.yaml"
            text = no_daemon.ask("check", path, code=1).stdout
            contains(text, "error: ", "severity")
            contains(re.sub("error: ", "", text), said, "what is said")
            check(place_of(text, name), "the file is named", text)
            caret_stands(text, said, source)
            found = no_daemon.json("check", path, code=1)["findings"]
            check(found and found[0]["severity"] == "error", "findings", found)
            where = re.match(r":(\d+):(\d+):", said)
            if where:
                equal((found[0]["line"], found[0]["column"]), tuple(map(int, where.groups())), "place")
        except Failure as e:
            troubles.append(f"{name}: {e}")
    for name in ("fifo", "dangling", "circle-a", "bad name!"):
        if no_daemon.ask("check", p.units / f"{name}.yaml", code=None).returncode != 1:
            troubles.append(f"check {name}: no error")
    check(not troubles, "check", *troubles)
    every = no_daemon.json("check", p.units, code=1)
    check(every["errors"] >= len(BAD) + len(other) - 2, "check of the folder", every["errors"])


@test
def bad_files_at_a_reload_keep_the_last_good(p):
    """The same unit gets one bad text after the other, while it runs."""
    good = f"while: 'network interface[name = \"{p.name('v')}\"]'\n" + p.command(stop=True)
    p.unit("good", good)
    p.unit("victim", good)
    p.add_link("v")
    d = p.daemon()
    d.until_state("victim", "active")
    for name, (text, said, _) in BAD.items():
        p.unit("victim", text)
        got = d.json("reload", code=1)
        equal(got["kept"], ["victim"], name)
        contains("\n".join(got["errors"]), said, name)
    equal(d.state("victim"), "active", "it runs on")
    p.unit("victim", good)
    equal(d.json("reload")["errors"], [], "mended")
    p.del_link(p.name("v"))
    for unit in ("good", "victim"):
        p.until_runs(unit, 1, "stop")
        equal(len(p.runs(unit, "start")), 1, "starts")


@test
def bad_classes_and_drop_ins(p):
    p.unit("classes.d/bad", "class: \"and so\"\nsubsystem: net\n")
    p.unit("classes.d/twice", "class: mouse\nsubsystem: net\n")
    p.unit("classes.d/garbage", random.Random(3).randbytes(5000))
    p.unit("good", f"while: 'network interface[name = \"{p.name('v')}\"]'\n" + p.command(stop=True))
    p.unit("dropped", "when: mouse\n" + GOOD)
    p.unit("dropped.yaml.d/x", "whn: mouse\n")
    p.unit("nobody.yaml.d/x", "when: mouse\n")
    d = p.daemon()
    errors = "\n".join(d.status()["errors"])
    for part in ("classes.d/bad.yaml", "classes.d/twice.yaml", "classes.d/garbage.yaml", "nobody.yaml.d/x.yaml"):
        contains(errors, part, "errors of classes and folders")
    contains(d.ask("status", "dropped", code=1).stdout, "dropped.yaml.d/x.yaml:1:1: unknown key \"whn\"", "the drop-in")
    works(p, d)
