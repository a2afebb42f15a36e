#!/usr/bin/env python3
"""What the acceptance test counts when a guest lets waits run out, with a machine that is none: no check is lost."""
import contextlib
import io
import types
import unittest

import machine
import vm
from report import Report


class NoGuest:
    """Answers the shell until it hangs; counts what was asked of it."""

    def __init__(self, hangs):
        self.hangs, self.asked, self.closed = hangs, 0, False
        self.log = types.SimpleNamespace(read_text=lambda **kw: "the console")

    def sh(self, cmd, timeout=vm.LONG):
        self.asked += 1
        if self.hangs:
            raise vm.GuestTimeout(f"{cmd!r}: not done after {timeout} s")
        return 0, ""

    def until(self, cmd, **kw):
        raise vm.GuestTimeout(f"{cmd!r}: not true")

    def close(self):
        self.closed = True


class NoMachine(machine.Machine):
    def __init__(self, hangs=False):            # pylint: disable=super-init-not-called
        self.guest = NoGuest(hangs)


def made(run, checks):
    """A run of a group: (passed, failed, what was printed)."""
    report, out = Report(), io.StringIO()
    with contextlib.redirect_stdout(out):
        report.group("some", types.SimpleNamespace(run=run, CHECKS=checks), {})
    return report.passed, report.failed, out.getvalue()


class GivenUp(unittest.TestCase):
    def test_all_pass(self):
        def run(report, _):
            with NoMachine() as m:
                for n in range(3):
                    with report.check(f"check {n}", m):
                        pass
        self.assertEqual(made(run, 3)[:2], (4, 0))

    def test_first_wait_that_runs_out_is_the_last(self):
        machines = []

        def run(report, _):
            for hangs in (False, True):
                with NoMachine(hangs) as m:
                    machines.append(m.guest)
                    with report.check("one", m):
                        m.until("true")
                    for n in range(3):
                        with report.check(f"check {n}", m):
                            m.until("true")
            with NoMachine() as m, report.check("of the next guest", m):
                pass
        passed, failed, said = made(run, 9)
        self.assertEqual((passed, failed), (1, 9))      # and one more, which says so
        self.assertIn("6 checks were not made", said)
        self.assertIn("the guest does not answer any more", said)
        self.assertEqual([(m.asked, m.closed) for m in machines], [(1, True), (1, True)])

    def test_other_failures_go_on(self):
        def run(report, _):
            with NoMachine() as m:
                with report.check("one", m):
                    machine.expect("this", 1, 2)
                with report.check("two", m):
                    pass
        self.assertEqual(made(run, 2)[:2], (2, 1))

    def test_a_guest_that_is_gone(self):
        def run(report, _):
            with NoMachine(hangs=True) as m:
                for n in range(4):
                    with report.check(f"check {n}", m):
                        machine.expect("this", 1, 2)
        self.assertEqual(made(run, 4)[:2], (0, 5))

    def test_a_guest_that_does_not_come_up(self):
        def run(report, _):
            raise vm.GuestTimeout("'VM-READY' is not on the console")
        passed, failed, said = made(run, 7)
        self.assertEqual((passed, failed), (0, 8))
        self.assertRegex(said, r"FAIL  some: all 7 checks were made\n +'VM-READY' is not on the console")

    def test_fewer_and_more_than_it_says(self):
        def run(report, _):
            for _ in range(3):
                with report.check("one"):
                    pass
        self.assertEqual(made(run, 5)[:2], (3, 3))
        self.assertEqual(made(run, 2)[:2], (3, 1))

    def test_a_condition_that_never_holds_is_a_wait_that_ran_out(self):
        m = NoMachine()
        m.guest.sh = lambda *args, **kw: (124, "devmux: it is still not so")
        self.assertRaises(vm.GuestTimeout, m.wait, "mouse")
        m.guest.sh = lambda *args, **kw: (4, "devmux: no such class")
        with self.assertRaises(vm.GuestError) as error:
            m.wait("mouze")
        self.assertNotIsInstance(error.exception, vm.GuestTimeout)


if __name__ == "__main__":
    unittest.main()
