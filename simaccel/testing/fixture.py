"""What the pytest plugin does for a test that uses the fixture `accel`.

`simaccel.pytest_plugin` is the plugin itself, which every run of pytest loads.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from engine.errors import UsageError
from sim import Trace, save_trace
from simaccel.testing.accel import Accel
from simaccel.testing.invariants import InvariantError
from simaccel.testing.misuse import MisuseError

_accel = pytest.StashKey[Accel]()
_failed = pytest.StashKey[bool]()
_trace_file = pytest.StashKey[Path]()


def made_for(request: pytest.FixtureRequest, seed: int) -> Generator[Accel]:
    """The fixture: an Accel with the options of the test's marks. It is checked at the end."""
    config, node = request.config, request.node
    refused = None
    try:
        accel = Accel(seed=seed, **_marked(node))
    except UsageError as error:
        refused = str(error)
    if refused is not None:
        # Shown as one line, without this plugin's stack and without an exception "during handling".
        pytest.fail(refused, pytrace=False)
    node.stash[_accel] = accel
    accel.save_schedules_as = _folder(config) / f"{_file_name(node)}.schedule"
    accel.scenarios = config.option.accel_scenario
    accel.command_for = partial(replay_command, node, accel)
    if config.option.accel_schedule is not None:
        accel.schedule = Path(config.option.accel_schedule)
    if config.option.accel_trace is not None:
        from simaccel.tracing.perfetto import PerfettoTrace  # which needs numpy

        accel.trace = Trace()
        node.stash[_trace_file] = path = _trace_path(node, config)
        try:
            accel.perfetto = PerfettoTrace(path.with_suffix(".pftrace"), node.name)
        except OSError as error:
            refused = f"--accel-trace: {path.with_suffix('.pftrace')}: {error.strerror}"
        if refused is not None:
            pytest.fail(refused, pytrace=False)
    found = None
    try:
        with accel, _told_when_killed(config, node, accel):
            yield accel
    except (InvariantError, MisuseError) as error:
        found = str(error)
    finally:
        unsaved = _save_traces(node, accel)
    # A failed test leaves jobs and fds behind. Reporting them too would only hide the first failure.
    if (found or unsaved) and not node.stash.get(_failed, False):
        pytest.fail(found or unsaved, pytrace=False)


def _save_traces(node: pytest.Item, accel: Accel) -> str:
    """Save what was traced. Returns one line that says what could not be written, such as for a full disk, or ""."""
    said = ""
    if accel.perfetto is not None:
        accel.perfetto.close()
        if accel.perfetto.error is not None:
            said = f"--accel-trace: {accel.perfetto.file.path}: {accel.perfetto.error.strerror}; it ends there"
    if accel.trace is not None:
        path = node.stash[_trace_file]
        try:
            save_trace(os.fspath(path), {"test": node.nodeid, "seed": accel.seed}, accel.trace)
        except OSError as error:
            path.unlink(missing_ok=True)  # no part of it can be replayed
            said = f"--accel-trace: {path}: {error.strerror}"
    return said


@contextmanager
def _told_when_killed(config: pytest.Config, node: pytest.Item, accel: Accel) -> Iterator[None]:
    """Inside the `with`, a SIGTERM first prints what the test waits for, and then ends the process. This is for a test
    that hangs, for instance in CI.

    It works only in the main thread, because no other may set a handler, and only if no handler is set.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def tell(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # done first, so that the process ends whatever happens now
        lines = [f"{node.nodeid} was ended by SIGTERM", *accel.describe()]
        if accel.misuse is not None:
            lines += [*map(str, accel.misuse.reports), *(accel.misuse.waiting() or ["no job is paused"])]
        lines += ["it was at:", *"".join(_stack_from(node.path, frame).format()).splitlines()]
        lines.append(f"replay: {replay_command(node, accel)}")
        capture = config.pluginmanager.getplugin("capturemanager")
        with nullcontext() if capture is None else capture.global_and_fixture_disabled():
            print("", "- simaccel -".center(80, "-"), *lines, sep="\n", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, tell)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is tell:  # otherwise it is the test's own handler, which we leave alone
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stack_from(file: Path, frame: FrameType | None) -> traceback.StackSummary:
    """The stack from the test's own file on, without pytest's frames before it. The whole stack if the file is not in
    it."""
    stack = traceback.extract_stack(frame)
    first = next((at for at, entry in enumerate(stack) if entry.filename == os.fspath(file)), 0)
    return traceback.StackSummary.from_list(stack[first:])


def _marked(node: pytest.Item) -> dict[str, Any]:
    """The options of the test's marks. The closest mark wins."""
    options: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers("accel"))):
        if mark.args:
            raise UsageError(f"@pytest.mark.accel{mark.args!r}: give its options by name, such as depth=4")
        options.update(mark.kwargs)
    return options


def explain(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add to the report of a failed test what is needed to repeat the failure."""
    item.stash[_failed] = True
    accel = item.stash.get(_accel, None)
    if accel is None:  # it failed before the fixture was made
        return
    lines = accel.describe()
    if _trace_file in item.stash:
        lines.append(f"trace: {item.stash[_trace_file]}")
        lines.append(f"for Perfetto: {item.stash[_trace_file].with_suffix('.pftrace')}")
    lines.append(f"replay: {replay_command(item, accel)}")
    report.sections[:] = [section for section in report.sections if section[0] != "simaccel"]
    report.sections.append(("simaccel", "\n".join(lines)))


def replay_command(item: pytest.Item, accel: Accel, scenario: str | None = None) -> str:
    """A command that runs only this test, with the same seed and schedule, from the directory where pytest was
    called. With a `scenario`, `accel.certify` plays that one alone."""
    here = item.config.invocation_params.dir
    # The part of the id after the file. It must reach pytest unchanged.
    inside = item.nodeid.partition("::")[2]
    path = os.path.relpath(item.path, here)
    words = [_python(), "-m", "pytest", f"{path}::{inside}", f"--accel-seed={accel.seed}"]
    if item.config.option.accel_seeds is not None:
        words.append("--accel-seeds=1")
    words += [f"--accel-scenario={name}" for name in ([scenario] if scenario is not None else accel.scenarios)]
    schedule = accel.schedule or accel.schedule_saved
    if schedule is not None:
        words.append(f"--accel-schedule={os.path.relpath(schedule, here)}")
    if item.config.option.accel_trace is not None:
        words.append(f"--accel-trace={item.config.option.accel_trace}".removesuffix("="))
    return shlex.join(words)


def _python() -> str:
    """The interpreter's name, as a user would type it."""
    found = shutil.which("python")
    # In a virtual environment it is a link to the Python that the environment was made of, which has other packages.
    here = os.path.dirname(sys.executable)
    if found is not None and os.path.samefile(os.path.dirname(found), here) and os.path.samefile(found, sys.executable):
        return "python"
    return sys.executable


def _trace_path(node: pytest.Item, config: pytest.Config) -> Path:
    folder = Path(config.option.accel_trace) if config.option.accel_trace else _folder(config)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{_file_name(node)}.trace"


def _folder(config: pytest.Config) -> Path:
    """The folder for files: pytest's cache, or the system's temporary folder if there is no cache."""
    cache = getattr(config, "cache", None)
    if cache is not None:
        return Path(cache.mkdir("simaccel"))
    folder = Path(tempfile.gettempdir()) / "simaccel"
    folder.mkdir(exist_ok=True)
    return folder


def _file_name(node: pytest.Item) -> str:
    """The test's id as a file name."""
    return re.sub(r"[^\w.-]+", "-", node.nodeid)[-150:]
