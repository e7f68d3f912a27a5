"""Recorded runs: a scenario and its trace in a file. The scenario is run again, and compared event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import UsageError
from hotpath.submittable import Submittable
from sim import Trace, TraceError, load_trace, save_trace
from sim.trace import as_line
from simaccel.testing.scenario import Scenario
from simaccel.testing.scenario_run import ScenarioOutcome, run_scenario

CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """The first event in which two runs differ. `number` counts from 1. An event is None if that run had ended."""

    number: int
    recorded: str | None
    now: str | None
    before: tuple[str, ...]
    """The last events before that, at most three, which are equal."""

    def __str__(self) -> str:
        lines = [f"  {line}" for line in self.before]
        lines.append(f"- {'the end' if self.recorded is None else self.recorded}")
        lines.append(f"+ {'the end' if self.now is None else self.now}")
        return f"event {self.number:,} differs (- recorded, + now):\n" + "\n".join(lines)


class ComparedTrace(Trace):
    """A trace that compares each event with the recorded one as it comes. It stops at the first that differs.

    The run goes on to its own end, so that it closes everything that it has opened.
    """

    __slots__ = ("_at", "_recorded", "difference")

    def __init__(self, recorded: Sequence[str]) -> None:
        super().__init__()
        self._recorded = recorded
        self._at = 0
        self.difference: Difference | None = None

    def add(self, time_ns: int, what: str, request: Submittable | None = None, *details: object) -> None:
        super().add(time_ns, what, request, *details)
        if self.difference is None:
            self._compare(as_line(self._events[-1]))

    def add_line(self, line: str) -> None:
        """Add an event that is already text, from another trace."""
        if self.difference is None:
            self._compare(line)

    def end(self) -> Difference | None:
        """Call this when the run is over. Returns the first difference, or None if there is none."""
        if self.difference is None and self._at < len(self._recorded):
            self._compare(None)
        return self.difference

    def _compare(self, line: str | None) -> None:
        at, recorded = self._at, self._recorded
        wanted = recorded[at] if at < len(recorded) else None
        if line == wanted:
            self._at += 1
        else:
            self.difference = Difference(at + 1, wanted, line, tuple(recorded[max(at - CONTEXT, 0) : at]))


def record_scenario(path: str, scenario: Scenario) -> ScenarioOutcome:
    """Run a scenario in virtual time, and write its trace to a file for `simaccel replay`.

    If an invariant does not hold, the file is written too, and then InvariantError is raised.
    """
    if scenario.real:
        raise UsageError("a scenario in real time can't be recorded: no two runs of it are equal")
    trace = Trace()
    try:
        return run_scenario(scenario, trace)
    finally:
        save_trace(path, {"scenario": scenario.to_dict()}, trace)


def replay_scenario(path: str) -> Difference | None:
    """Run the scenario of a file again. Returns the first difference, or None if there is none.

    Raises TraceError if the file is damaged, is of another version, or holds no scenario. Raises OSError if it can't be
    read. Raises InvariantError if the run goes as recorded, but an invariant does not hold.
    """
    recording = load_trace(path)
    described = recording.scenario.get("scenario")
    if not isinstance(described, dict):
        raise TraceError(f"{path} holds no scenario: it was recorded by something else")
    try:
        scenario = Scenario.from_dict(described)
    except ValueError as error:
        raise TraceError(f"{path} is damaged: {error}") from None
    trace = ComparedTrace(recording.lines)
    try:
        run_scenario(scenario, trace)
    except Exception:
        if trace.end() is None:
            raise
    return trace.end()
