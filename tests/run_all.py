#!/usr/bin/env python3
"""Builds and runs every test, and adds up the numbers. Called by tests/all, which installs what it
needs. Each part is counted in its own cases: doctest cases, fuzz targets and other programs run by
meson, end-to-end checks, checks in a guest.

Guests wait much of their time: two run at once, and beside them the build with sanitizers, its tests and its fuzzers.
Whatever fails is shown in full where it happens, and at the very end once more in one line each: of a
long log often only the end is read."""
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = (os.environ.get("DEVMUX_TESTS") or "unit sanitized e2e vm").split()
passed = failed = 0
BEHIND = ["nice", "-n", "10"]  # guests, which wait for little else, come first
failures = []  # one line each, for the end
changing = threading.Lock()


def run(title, argv, log=None, **kwargs):
    """Runs a program, shows what it prints when it fails, and returns (exit code, output)."""
    begin = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **kwargs)
    if log:
        log.write_text(done.stdout)
    show(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {title} ({time.monotonic() - begin:.0f} s)")
    return done.returncode, done.stdout


def count(good, bad, *why):
    """Adds to the sums; `why`: of what failed, a line each."""
    global passed, failed
    with changing:
        passed += good
        failed += bad
        if bad:
            failures.extend(why)


def short(text):
    return re.sub(r"\s+", " ", text).strip()[:200]


def show(text):
    with changing:
        print(text, flush=True)


def of_compiler(out):
    """What the compiler, or meson, complained of first."""
    found = re.search(r"^.*\b(?:error|ERROR|FAILED)\b.*$", out, re.M)
    found_error = re.search(r"^.*\b(?:error|ERROR):.*$", out, re.M)
    return short((found_error or found)[0]) if found_error or found else "it says no error"


def build(folder, *options, compiler=None, flags="", first=()):
    # The one C program is built by the C compiler of the same family: its fuzzer needs that.
    env = dict(os.environ, **({"CXX": compiler, "CC": compiler.removesuffix("++")} if compiler else {}))
    if flags:
        env |= {"CFLAGS": flags, "CXXFLAGS": flags}
    if not (ROOT / folder / "build.ninja").exists():
        code, out = run(f"configure {folder}", ["meson", "setup", folder, *options], env=env)
        if code:
            show(out[-8000:])
            count(0, 1, f"configure {folder}: {of_compiler(out)}")
            return False
    code, out = run(f"build {folder}", [*first, "ninja", "-C", folder], env=env)
    if code:
        show(out[-8000:])
        count(0, 1, f"build {folder}: {of_compiler(out)}")
    return code == 0


def of_doctest(block):
    """The cases of a suite that failed, each with the first thing that was wrong."""
    found = []
    for case in re.findall(r"^TEST CASE: +(.+(?:\n.+)*)", block, re.M):
        error = re.search(r"(?:FATAL )?ERROR: (.*)", block[block.index(case):])
        line = f"{short(case.splitlines()[0])}: {short(error[1]) if error else '?'}"
        if line not in found:
            found.append(line)
    return found or [short((re.search(r"^.*(?:ERROR|error|Assertion|terminate).*$", block, re.M) or ["it ended badly"])[0])]


def meson_tests(folder, env=None, first=()):
    """Runs the tests of a build directory; doctest cases are counted one by one."""
    run(f"tests in {folder}", [*first, "meson", "test", "-C", folder, "--print-errorlogs", "--num-processes", "2"],
        env=dict(os.environ, **(env or {})))
    text = (ROOT / folder / "meson-logs/testlog.txt").read_text(errors="replace")
    for block in re.split(r"^=+ *\d+/\d+ =+$", text, flags=re.M)[1:]:
        name = re.search(r"^test: +(.+)$", block, re.M)[1]
        good = re.search(r"^result: +exit status 0$", block, re.M) is not None
        cases = re.search(r"test cases: +\d+ \| +(\d+) passed \| +(\d+) failed", block)
        if cases:
            good_cases, bad_cases = int(cases[1]), int(cases[2])
            if good_cases + bad_cases == 0 or (not good and bad_cases == 0):
                bad_cases += 1  # a suite without cases, or one that crashed
            good = bad_cases == 0
            count(good_cases, bad_cases, *(f"{folder}: {name}: {line}" for line in of_doctest(block)))
        else:
            count(good, not good, f"{folder}: {name}: {of_doctest(block)[0]}")
        if not good:
            show(f"---- {name}\n{block[-6000:]}")


def script(title, argv):
    """A test program that ends with "N passed, N failed"."""
    code, out = run(title, argv)
    line = re.findall(r"^(\d+) passed, (\d+) failed", out, re.M)
    # Each that fails has a line of its own, and what was wrong in the next.
    why = [f"{title}: {short(name)}: {short(what)}" for name, what in re.findall(r"^FAIL +(.*)\n(.*)", out, re.M)]
    if line:
        count(int(line[-1][0]), int(line[-1][1]) + (code != 0 and line[-1][1] == "0"), *(why or [f"{title}: exit {code}"]))
    else:
        count(0, 1, *why, f"{title}: it broke off: {short(out[-200:])}")
    if code or not line:
        # Those that failed, with what is indented below them; of the others nothing is asked.
        blocks = re.findall(r"^FAIL.*\n(?:(?!ok  |FAIL).*\n)*", out, re.M)
        show("".join(block[:6000] for block in blocks)[-30000:] or out[-12000:])


def manual_pages():
    for page in sorted((ROOT / "man").glob("*.[1-8]")):
        code, out = run(f"lint {page.name}", ["mandoc", "-Tlint", "-Wwarning", str(page)])
        count(code == 0, code != 0, f"lint {page.name}: {short(out)}")
        if code:
            show(out)


def sanitized():
    """clang, with warnings as errors as well; AddressSanitizer and UBSan over all unit tests, then a short real
    fuzzing run from the seeds."""
    # Lines are enough for who reads where it went wrong; all that a debugger wants costs a third of the time.
    if not build("build-sanitized", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=plain",
                 "-Doptimization=1", "-Dfuzz=true", "-Dstatic_libs=false", compiler="clang++",
                 flags="-gline-tables-only", first=BEHIND):
        return
    meson_tests("build-sanitized", {"DEVMUX_STORMS": "200", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"},
                BEHIND)
    for target in sorted(p.stem for p in (ROOT / "tests/fuzz").glob("fuzz_*.cc")):
        corpus = ROOT / "build-sanitized" / f"corpus-{target}"
        corpus.mkdir(exist_ok=True)
        code, out = run(f"{target}, 5 s", [*BEHIND, f"build-sanitized/tests/fuzz/{target}", "-max_total_time=5",
                                           "-rss_limit_mb=2048", str(corpus), f"tests/fuzz/seeds/{target[5:]}"])
        error = re.search(r"^.*(?:ERROR|runtime error|SUMMARY).*$", out, re.M)
        count(code == 0, code != 0, f"{target}: {short(error[0]) if error else f'exit {code}'}")
        if code:
            show(out[-1500:])  # the end of it has the input in Base64


def guarded(part):
    """A part that breaks off counts as failed, in a thread as well."""
    try:
        part()
    except Exception as error:  # pylint: disable=broad-except
        count(0, 1, f"{part.__name__}: {short(repr(error))}")


def roots():
    """What guests boot from. It is downloaded and unpacked, for which the compiler leaves time enough; a failure is told
    by the guests."""
    run("roots of the guests", [sys.executable, "tests/vm/debian.py", "--roots"])


def guests():
    script("in a guest", [sys.executable, "tests/vm/acceptance.py", "--build", "build", "--beside", "2"])


def main():
    begin = time.monotonic()
    ok = True
    making = threading.Thread(target=guarded, args=(roots,)) if "vm" in PARTS else None
    if making:
        making.start()
    if {"unit", "e2e", "vm"} & set(PARTS):
        ok = build("build", "-Ddebug=false")  # what a debugger wants costs a third of the time
    if making:
        making.join()
    if ok and "unit" in PARTS:
        meson_tests("build")
        manual_pages()
    if ok and "e2e" in PARTS:
        script("end to end", [sys.executable, "tests/e2e/run.py", "--build", "build"])
    # Nothing else of this list may run beside what measures idleness, but these two may run beside each other.
    beside = threading.Thread(target=guarded, args=(guests,)) if ok and "vm" in PARTS else None
    if beside:
        beside.start()
    if "sanitized" in PARTS:
        guarded(sanitized)
    if beside:
        beside.join()
    print(f"{time.monotonic() - begin:.0f} s in all")
    for line in failures[:25]:
        print(f"FAILED {line}")
    if len(failures) > 25:
        print(f"and {len(failures) - 25} more")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


sys.exit(main())
