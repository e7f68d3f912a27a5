"""The trace of a run: one for replay, which is written at the end, or one for Perfetto, which is written as it goes."""

from __future__ import annotations

from sim import Trace, save_trace
from simaccel.cli.exits import OutputError
from simaccel.cli.workload.options import RunOptions, is_perfetto
from simaccel.tracing.perfetto import PerfettoTrace

RunTrace = Trace | PerfettoTrace | None
"""A trace for replay, which is of the device alone, or one for Perfetto, or none."""


def open_trace(file: str | None) -> RunTrace:
    """The trace that the name of the file asks for. Raises OutputError if one for Perfetto can't be opened."""
    if file is None:
        return None
    if not is_perfetto(file):
        return Trace()
    try:
        return PerfettoTrace(file)
    except OSError as error:
        raise OutputError(file, error) from None


def keep_trace(options: RunOptions, file: str, trace: RunTrace) -> None:
    """Write the trace for replay. Raises OutputError if that fails, and if one for Perfetto ends early."""
    try:
        if isinstance(trace, Trace):
            save_trace(file, {"run": options.to_dict()}, trace)
        elif trace is not None and trace.error is not None:
            raise trace.error
    except OSError as error:
        raise OutputError(file, error) from None
