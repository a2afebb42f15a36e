#!/usr/bin/env python3
"""Builds and runs every test, and adds up the numbers. Called by tests/all, which installs what it
needs. Each part is counted in its own cases: doctest cases, fuzz targets and other programs run by
meson, end-to-end checks, checks in a guest."""
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = (os.environ.get("DEVMUX_TESTS") or "unit sanitized e2e vm").split()
passed = failed = 0


def run(title, argv, log=None, **kwargs):
    """Runs a program, shows what it prints when it fails, and returns (exit code, output)."""
    begin = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **kwargs)
    if log:
        log.write_text(done.stdout)
    print(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {title} ({time.monotonic() - begin:.0f} s)", flush=True)
    return done.returncode, done.stdout


def count(good, bad):
    global passed, failed
    passed += good
    failed += bad


def build(folder, *options, compiler=None):
    # The one C program is built by the C compiler of the same family: its fuzzer needs that.
    env = dict(os.environ, **({"CXX": compiler, "CC": compiler.removesuffix("++")} if compiler else {}))
    if not (ROOT / folder / "build.ninja").exists():
        code, out = run(f"configure {folder}", ["meson", "setup", folder, *options], env=env)
        if code:
            print(out)
            return False
    code, out = run(f"build {folder}", ["ninja", "-C", folder], env=env)
    if code:
        print(out[-8000:])
    return code == 0


def meson_tests(folder, env=None):
    """Runs the tests of a build directory; doctest cases are counted one by one."""
    run(f"tests in {folder}", ["meson", "test", "-C", folder, "--print-errorlogs", "--num-processes", "2"],
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
            count(good_cases, bad_cases)
            good = bad_cases == 0
        else:
            count(good, not good)
        if not good:
            print(f"---- {name}\n{block[-6000:]}", flush=True)


def script(title, argv):
    """A test program that ends with "N passed, N failed"."""
    code, out = run(title, argv)
    line = re.findall(r"^(\d+) passed, (\d+) failed", out, re.M)
    if line:
        count(int(line[-1][0]), int(line[-1][1]) + (code != 0 and line[-1][1] == "0"))
    else:
        count(0, 1)
    if code or not line:
        print(out[-12000:], flush=True)


def manual_pages():
    for page in sorted((ROOT / "man").glob("*.[1-8]")):
        code, out = run(f"lint {page.name}", ["mandoc", "-Tlint", "-Wwarning", str(page)])
        count(code == 0, code != 0)
        if code:
            print(out)


def main():
    ok = True
    if {"unit", "e2e", "vm"} & set(PARTS):
        ok = build("build")
        if not ok:
            count(0, 1)
    if ok and "unit" in PARTS:
        meson_tests("build")
        manual_pages()
    if ok and "e2e" in PARTS:
        script("end to end", [sys.executable, "tests/e2e/run.py", "--build", "build"])
    if ok and "vm" in PARTS:
        script("in a guest", [sys.executable, "tests/vm/acceptance.py", "--build", "build"])
    if "sanitized" in PARTS:
        # clang, with warnings as errors as well; AddressSanitizer and UBSan over all unit tests, then
        # a short real fuzzing run from the seeds.
        if build("build-sanitized", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debug",
                 "-Doptimization=1", "-Dfuzz=true", "-Dstatic_libs=false", compiler="clang++"):
            meson_tests("build-sanitized", {"DEVMUX_STORMS": "200", "UBSAN_OPTIONS": "halt_on_error=1"})
            for target in sorted(p.stem for p in (ROOT / "tests/fuzz").glob("fuzz_*.cc")):
                corpus = ROOT / "build-sanitized" / f"corpus-{target}"
                corpus.mkdir(exist_ok=True)
                code, out = run(f"{target}, 10 s", [f"build-sanitized/tests/fuzz/{target}", "-max_total_time=10",
                                                    "-rss_limit_mb=2048", str(corpus),
                                                    f"tests/fuzz/seeds/{target[5:]}"])
                count(code == 0, code != 0)
                if code:
                    print(out[-1500:])  # the end of it has the input in Base64
        else:
            count(0, 1)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


sys.exit(main())
