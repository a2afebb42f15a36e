"""How tests say what they expect, and how they wait: by looking again, never by sleeping once."""
import time

PATIENCE = 60  # seconds; the machine may be overloaded, and nothing waits this long but what fails


class Failure(Exception):
    pass


def check(condition, what, *shown):
    if not condition:
        raise Failure(what + "".join(f"\n    {s}" for s in shown))


def equal(found, expected, what):
    if found != expected:
        raise Failure(f"{what}:\n    found    {found!r}\n    expected {expected!r}")


def contains(text, part, what):
    if part not in text:
        raise Failure(f"{what}: {part!r} is not in\n" + "".join(f"    {l}\n" for l in text.splitlines()))


def eventually(probe, what, shown=lambda: "", patience=PATIENCE):
    """Waits until probe() says something true, and returns that."""
    end = time.monotonic() + patience
    pause = 0.005
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise Failure(f"after {patience} s it is still not so: {what}\n    {shown()}")
        time.sleep(pause)  # between two looks
        pause = min(pause * 1.3, 0.1)


TESTS = []


def test(function):
    """A test: a function of the build folder's Place maker. Its name is MODULE/FUNCTION."""
    TESTS.append((f"{function.__module__}/{function.__name__}", function))
    return function
