"""Run all tests and print one total: `python -m tests.run_all`, which is what `make test` calls.

Parts, as arguments:

- `here`: all tests, with this Python. First those that can share the machine, on all cores. Then, one at a time, those
  marked `alone`: they measure time, or need the machine for themselves. Without SIMACCEL_EFFORT, those marked `in_ci`
  are left out, see effort.py.
- `compiled`: the core's tests with the compiled hot path, which else is Python under pytest. Nothing where it can't be
  compiled. tests/compiled.py says what is skipped.
- `others`: the core's tests under each other Python that is found, see other_pythons.py.

A call of pytest that fails does not stop the calls after it. The last line is the total of all calls, and the exit
status is 0 only if each call passed. What follows `--` is given to each call of pytest in `here`:

    python -m tests.run_all here -- -k cancel
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hotpath.choice import VARIABLE, extension
from tests import effort, other_pythons

ROOT = Path(__file__).parent.parent
COMPILED = [
    "tests/waitctx",
    "tests/sim",
    "tests/engine",
    "tests/conformance",
    "tests/hotpath",
    "tests/tracing",
    "tests/bench/test_counts.py",
    *(
        f"tests/bridge/test_bridge_{name}.py"
        for name in ("contract", "fuzz", "hostile", "hostile_python", "starving", "wire")
    ),
]
NO_TESTS_COLLECTED = 5
"""pytest's exit status if it finds no tests. It is no failure, because one of the two calls may have none selected."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The results of calls of pytest."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"

    @classmethod
    def of_call(cls, status: int, report: Path) -> Tally:
        """The result of one call of pytest, from its exit status and its JUnit report. A call that broke off has
        failed."""
        if not report.exists():
            return cls(failed=1)
        found = cls()
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            count = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
            failed = count["failures"] + count["errors"]
            # A test that fails and cannot tear down either is counted twice by pytest.
            found += cls(max(count["tests"] - failed - count["skipped"], 0), failed, count["skipped"])
        broke_off = status not in (0, NO_TESTS_COLLECTED) and not found.failed
        return found + cls(failed=1) if broke_off else found


def call(python: Path, arguments: Sequence[str], report: Path, variables: Mapping[str, str]) -> Tally:
    """Call pytest, whose output goes to the terminal."""
    command = [str(python), "-m", "pytest", f"--junit-xml={report}", *arguments]
    environment = {**os.environ, **other_pythons.VARIABLES, **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # conftest.py says why
    try:
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    except OSError as error:
        print(f"run_all: {error}", file=sys.stderr, flush=True)
        return Tally(failed=1)
    return Tally.of_call(status, report)


def calls(parts: Sequence[str], more: Sequence[str]) -> Iterator[tuple[str, Path, list[str], dict[str, str]]]:
    """Title, Python, arguments and environment variables of each call of pytest, in order."""
    here = Path(sys.executable)
    if "here" in parts:
        less, without = ("", "") if effort.CI else (" and not in_ci", " (SIMACCEL_EFFORT=ci: with those of CI)")
        parallel = ["-q", "-n", "auto", "--dist", "loadgroup", "-m", f"not alone{less}"]
        yield f"all tests that can share the machine, on all cores{without}", here, [*parallel, *more], {}
        yield "the tests that need the machine for themselves", here, ["-q", "-m", f"alone{less}", *more], {}
    if "compiled" in parts:
        if Path(extension()).exists():
            yield "the core's tests, compiled", here, [*other_pythons.ARGUMENTS, *COMPILED], {VARIABLE: "0"}
        else:
            print("== the hot path is not compiled here, so the core's tests run with the Python alone", flush=True)
    if "others" in parts:
        for title, python in other_pythons.environments():
            yield title, python, [*other_pythons.ARGUMENTS, *other_pythons.TESTS], {}


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parts, more = arguments[:at] or ["here"], arguments[at + 1 :]
    unknown = set(parts) - {"here", "compiled", "others"}
    if unknown:
        print(f"run_all: no part {', '.join(sorted(unknown))}; the parts are: here, compiled, others", file=sys.stderr)
        return 2
    total = Tally()
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number, (title, python, call_arguments, variables) in enumerate(calls(parts, more)):
            print(f"== {title}", flush=True)
            total += call(python, call_arguments, Path(folder, f"{number}.xml"), variables)
    print(f"== all calls of pytest together, in {time.monotonic() - begin_s:.0f} s", flush=True)
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
