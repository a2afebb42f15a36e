"""Counts checks, and prints how each ended. None is lost: one that was not made has failed.

A guest that has let one wait run out, or is gone, is given up: the check of that has failed, and so have the rest of
that guest's, which are not made. Each of them would wait for as long, and say nothing new. The next guest of the
group has its turn."""
import contextlib
import pathlib
import time
import traceback

import vm

HERE = pathlib.Path(__file__).resolve().parent


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    @contextlib.contextmanager
    def check(self, name, machine=None):
        """A named check: what is raised inside makes it fail, and the next goes on, unless the machine is given up.

        What the block appends to the list that it gets is printed behind the name.
        """
        notes, began = [], time.monotonic()
        try:
            yield notes
        except Exception as e:
            self.failed += 1
            print(f"FAIL  {name}", flush=True)
            if isinstance(e, (AssertionError, vm.GuestError)):
                print(indented(f"{e or 'assertion failed'}\n{place_of(e)}"))
            else:
                print(indented(traceback.format_exc()))
            if machine:
                evidence, alive = machine.evidence()
                print(indented(evidence), flush=True)
                if isinstance(e, vm.GuestTimeout) or not alive:
                    raise vm.GivenUp(f"given up in: {name}") from e
        else:
            self.passed += 1
            said = f": {'; '.join(notes)}" if notes else ""
            print(f"ok    {name}{said}  [{time.monotonic() - began:.1f} s]", flush=True)

    def group(self, name, module, programs):
        """Runs the checks of a group, and one more: that they were as many as the group says."""
        before = self.passed + self.failed
        with self.check(f"{name}: all {module.CHECKS} checks were made"):
            try:
                module.run(self, programs)
            finally:
                made = self.passed + self.failed - before
                self.failed += max(0, module.CHECKS - made)
                if made < module.CHECKS:
                    print(f"      {name}: {module.CHECKS - made} checks were not made, and have failed", flush=True)
            if made != module.CHECKS:
                raise AssertionError(f"{made} were made: a guest was given up, see above, or CHECKS of groups/{name}.py, "
                                     f"which is {module.CHECKS}, is wrong")


def place_of(error):
    """The lines of the checks that an error went through."""
    checks = [HERE / "machine.py", *HERE.glob("groups/*.py")]
    return "\n".join(f"at {f.name}, {pathlib.Path(f.filename).name} line {f.lineno}: {f.line}"
                     for f in traceback.extract_tb(error.__traceback__) if pathlib.Path(f.filename).resolve() in checks)


def indented(text):
    return "\n".join(f"      {line}" for line in text.splitlines())
