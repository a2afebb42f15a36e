"""What the manual pages print: every error under DIAGNOSTICS is one that is really said."""
import re

from checks import contains, equal, test
from place import SOURCE

# What makes each of them, by its text. One that a page adds and that is missing here fails.
CONDITIONS = {
    'expected "and", "or", "for" or the end, found "there"': "mouse is there",
    '"running" is a second state, and a term has one': "network interface up running",
    '"running" is a state, and stands behind a class': "network interface up and running",
    '"up" is a state of network interfaces, and "mouse" is none': "mouse up",
    '"foo" is no field of a device': "mouse[foo = 1]",
    '"all disk" needs what all of them must be': "all disk",
    "`first` cannot stand under `not`": "no first mouse",
    '"it" is the device of an instance, and there is no for-each here': "it present",
}
RUN = "command: {start: [/bin/true]}\n"
STOPS = "command: {start: [/bin/true], stop: [/bin/true]}\n"
UNITS = {
    'expected a condition, found "yes"': "when: yes\n" + RUN,
    'the key "when" stands here again': "when: mouse\nwhen: cpu\n" + RUN,
    '"while" cannot stand beside "when"': "when: mouse\nwhile: cpu\n" + STOPS,
    '"{name}" speaks of a device, and the unit has no for-each': 'command: {start: [/bin/true, "{name}"]}\n',
    'refresh: expected a class, its [ … ] and perhaps "seen", found "online"': "refresh: network interface online\n" + STOPS,
    'takes-down: expected network interfaces, or no, found "eth0"': "takes-down: eth0\n" + STOPS,
    '"linger" needs "while"': "when: mouse\nlinger: 5s\n" + STOPS,
    'linger: expected a duration, found "5"': "while: mouse\nlinger: 5\n" + STOPS,
    'expected a list of arguments, found "/bin/true"': "command: {start: /bin/true}\n",
    'expected an absolute path, found "echo"': "command: {start: [echo]}\n",
    'expected the name of a script in /etc/init.d, found "/etc/init.d/gdm3"': "init-script: /etc/init.d/gdm3\n",
    '"while" stops the command, which says not how': "while: mouse\n" + RUN,
    "a command without stop leaves nothing that could be stopped: it is a task": "task: false\n" + RUN,
    "it waits for itself: a -> b -> a (a: requires b; b: its condition asks for a)": None,  # two units, below
    "can be written by others than its owner: not read": "when: mouse\n" + RUN,
}
ESCAPES = {r"\(dq": '"', r"\(ha": "^", r"\(ga": "`", r"\(aq": "'", r"\(ti": "~", r"\-": "-", r"\[u2026]": "…", r"\&": ""}


def diagnostics(page):
    text = (SOURCE / "man" / page).read_text()
    section = text.split(".Sh DIAGNOSTICS\n")[1].split("\n.Sh ")[0]
    found = re.findall(r"^\.It Li (.*)$", section, re.M)
    for escape, letter in ESCAPES.items():
        found = [f.replace(escape, letter) for f in found]
    return found


@test
def errors_of_conditions(p):
    equal(sorted(diagnostics("devmux.conditions.7")), sorted(CONDITIONS), "what devmux.conditions(7) lists")
    d = p.daemon()
    for text, sentence in CONDITIONS.items():
        contains(d.ask("eval", sentence, code=4).stderr, text, sentence)


@test
def errors_of_units(p):
    equal(sorted(diagnostics("devmux.unit.5")), sorted(UNITS), "what devmux.unit(5) lists")
    p.unit("a", "requires: b\n" + STOPS)
    p.unit("b", "when: unit a active\n" + STOPS)
    names = {text: f"u{i}" if said else "a" for i, (text, said) in enumerate(UNITS.items())}
    for text, said in UNITS.items():
        if said:
            p.unit(names[text], said)
    (p.units / f"{names['can be written by others than its owner: not read']}.yaml").chmod(0o666)
    d = p.daemon()
    for text, name in names.items():
        contains("\n".join(d.unit(name)["errors"]), text, f"{name}: {UNITS[text]}")
