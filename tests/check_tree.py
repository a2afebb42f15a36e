#!/usr/bin/env python3
"""What the compiler does not check: includes go one way, effects stay at their place, files open with
their reason and stay short, every test suite is run, and the manual names all that there is.

    tests/check_tree.py [SOURCE-DIRECTORY]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
FAULTS = []

# A file may include files of its own folder and of folders with a lower rank. Two folders of one rank
# do not know each other.
RANKS = {"conditions": 0, "engine/system": 1, "engine/intake": 2, "engine/model": 3, "engine/plan": 4, "engine/run": 5,
         "engine/status": 5, "engine": 6, "tools": 7, "tests": 8}
# Who may touch what: the header, and the only files that may include it.
ONLY = {
    "systemd/sd-event.h": r"engine/loop\.cc|engine/status/bus(_connection)?\.(cc|h)|tests/.*",
    "systemd/sd-bus.h": r"engine/status/bus(_connection)?\.(cc|h)|engine/run/systemd_bus\.cc|tools/client\.cc|tests/.*",
    "libmount/libmount.h": r"engine/intake/mount_files\.cc",
    "libmnl/libmnl.h": r"engine/intake/(link_message|links)\.cc|tests/.*",
    "systemd/sd-daemon.h": r"tools/devmuxd\.cc|tests/.*",
    "libudev.h": r"engine/intake/udev\.cc|tests/.*",
    "yaml-cpp/": r"conditions/document\.cc",
    "nlohmann/": r"engine/status/.*|tools/.*|tests/.*",
    "CLI/": r"tools/.*",
}
# The core is pure: no file, no clock, no process below conditions/ and engine/plan/.
PURE = re.compile(r"#include [<\"](engine/system/|unistd\.h|fcntl\.h|sys/|fstream|iostream|filesystem|thread|ctime|time\.h|signal\.h)")
# Real paths are given by whoever starts the engine, or are what a unit's language speaks of.
LITERAL = re.compile(r'"/(sys|proc|run)[/"]')
LONGEST_SOURCE, LONGEST_HEADER = 340, 240


def fault(path, line, text):
    FAULTS.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def rank_of(relative):
    folder = str(relative.parent)
    while folder not in RANKS:
        if folder in (".", ""):
            return None
        folder = str(pathlib.PurePath(folder).parent)
    return folder, RANKS[folder]


def check_includes(path, relative, lines):
    folder, rank = rank_of(relative)
    for number, line in enumerate(lines, 1):
        quoted = re.match(r'\s*#include "([^"]+)"', line)
        if quoted:
            target = pathlib.PurePath(quoted[1])
            if not (ROOT / target).exists():
                fault(path, number, f'"{target}" is not a path from the root')
                continue
            other, other_rank = rank_of(target)
            if other != folder and other_rank >= rank:
                fault(path, number, f"{folder} (rank {rank}) includes {other} (rank {other_rank})")
        for header, who in ONLY.items():
            if f"#include <{header}" in line and not re.fullmatch(who, str(relative)):
                fault(path, number, f"<{header}…> is for {who} alone")
        if folder in ("conditions", "engine/plan") and PURE.match(line):
            fault(path, number, "the core is pure: no files, clocks or processes here")


def check_source(path):
    relative = path.relative_to(ROOT)
    text = path.read_text()
    lines = text.splitlines()
    check_includes(path, relative, lines)
    # Meson hands the precompiled header in as a file of its own, so it has no guard.
    if not lines or not lines[0].startswith(("//", "/*")):
        fault(path, 1, "the first lines say what the file is for")
    limit = LONGEST_HEADER if path.suffix == ".h" else LONGEST_SOURCE
    if relative.parts[0] != "tests" and len(lines) > limit:
        fault(path, len(lines), f"longer than {limit} lines: split it by question")
    if path.suffix == ".h" and "pch" not in relative.parts and "#pragma once" not in text:
        fault(path, 1, "#pragma once is missing")
    for number, line in enumerate(lines, 1):
        if line.rstrip() != line:
            fault(path, number, "white space at the end of the line")
        if relative.parts[0] in ("conditions", "engine") and LITERAL.search(line) and \
                not re.search(r'//.*"|\+ "/', line):
            fault(path, number, "a path of the real machine: it has to be given from outside")


def check_suites():
    listed = set(re.findall(r"^  '([^']+)',$", (ROOT / "tests/meson.build").read_text(), re.M))
    for path in ROOT.glob("tests/**/*_test.cc"):
        for suite in re.findall(r'TEST_SUITE\("([^"]+)"\)', path.read_text()):
            if suite not in listed:
                fault(path, 1, f"the suite {suite} is not listed in tests/meson.build: nobody runs it")
        if f"'{path.relative_to(ROOT / 'tests')}'" not in (ROOT / "tests/meson.build").read_text():
            fault(path, 1, "is not compiled: add it to tests/meson.build")


def check_manual():
    manual = (ROOT / "man/devmux.conditions.7").read_text()
    # mdoc macros and escapes out of the way, white space as one blank.
    plain = re.sub(r"\s+", " ", re.sub(r"\\&|\\-|^\.[A-Z][a-z] |\"| Ns | Ar | Cm | Li | Oo | Oc ", " ", manual, flags=re.M))
    plain = re.sub(r"\s+", " ", plain.replace("\\e", "\\"))
    for kind, pattern in re.findall(r'FactTerm\{FactKind::(\w+), "([^"]+)"', (ROOT / "conditions/terms.cc").read_text()):
        words = [w for w in re.findall(r"[a-z]+", pattern)]
        if not re.search(r"\b" + r"\b.{0,20}\b".join(words) + r"\b", plain):
            FAULTS.append(f"man/devmux.conditions.7: the fact {pattern!r} is not in it")
    for word in re.findall(r'StateTerm\{DeviceState::\w+, "(\w+)"', (ROOT / "conditions/terms.cc").read_text()):
        if word not in plain:
            FAULTS.append(f"man/devmux.conditions.7: the state {word!r} is not in it")
    for path in ROOT.glob("units.d/classes.d/*.yaml"):
        name = re.search(r"^class: (.+)$", path.read_text(), re.M)[1]
        if name not in plain:
            FAULTS.append(f"man/devmux.conditions.7: the class {name!r} is not in it")
    unit_manual = (ROOT / "man/devmux.unit.5").read_text()
    for key in re.findall(r'^\s+\{?\{"([a-z-]+)", ', (ROOT / "engine/model/unit_file.cc").read_text(), re.M):
        if key.replace("-", "\\-") not in unit_manual and key not in unit_manual:
            FAULTS.append(f"man/devmux.unit.5: the key {key!r} is not in it")
    client = (ROOT / "man/devmux.1").read_text()
    for path in ROOT.glob("tools/cmd_*.cc"):
        if path.stem[4:] not in client:
            FAULTS.append(f"man/devmux.1: the command {path.stem[4:]!r} is not in it")


for source in sorted(ROOT.glob("**/*")):
    parts = source.relative_to(ROOT).parts
    if source.suffix in (".cc", ".h") and parts[0] in ("conditions", "engine", "tools", "tests"):
        check_source(source)
check_suites()
check_manual()
for text in FAULTS:
    print(text)
print(f"{len(FAULTS)} faults")
sys.exit(1 if FAULTS else 0)
