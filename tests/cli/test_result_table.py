"""How numbers are shown, and what the percentiles are."""

from __future__ import annotations

import io
import sys

import pytest

from simaccel.cli.quantities import duration, size
from simaccel.cli.workload.progress_bar import ProgressBar
from simaccel.load import Latency

TIMES = [(0, "0ns"), (7, "7ns"), (999, "999ns"), (1_000, "1.00us"), (9_994, "9.99us"), (12_340, "12.3us")]
TIMES += [(99_940, "99.9us"), (99_960, "100us"), (999_499, "999us"), (999_500, "1.00ms"), (64 * 10**9, "64.0s")]
TIMES += [(7_200 * 10**9, "7,200s")]


@pytest.mark.parametrize(("time_ns", "text"), TIMES)
def test_duration(time_ns: int, text: str) -> None:
    assert duration(time_ns) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0B"), (999, "999B"), (1_000, "1.00kB"), (8_420_000, "8.42MB"), (5 * 10**15, "5,000TB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


def test_percentiles() -> None:
    assert Latency.of([]) == Latency(0, 0, 0, 0)
    assert Latency.of(list(range(1_001))) == Latency(mean_ns=500, p50_ns=500, p99_ns=990, p999_ns=999)


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("simaccel.cli.workload.progress_bar.EVERY_NS", 0)
    for stream, drawn in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        with ProgressBar() as bar:
            bar.begin("by fd", 64)
            for _ in range(64):
                bar.step()
        assert ("64/64" in stream.getvalue()) is drawn
