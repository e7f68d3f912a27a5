"""The notify modes and the contracts of the callback: one table of each, and the only place that lists them.

The engine, the command line, the benchmarks, the testing tools and the tests read these tables. A new mode is a row of
`MODES`; what no column says yet needs a column and code. A new contract is a class in `engine/offload/wakers.py` and a
row of `CALLBACKS`.
`tests/engine/test_modes.py` measures each column on an engine at work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.offload.wake_fds import HAS_EVENTFD
from engine.offload.wakers import DasyncCallback, QatCallback, StrictCallback


@dataclass(frozen=True, slots=True)
class Mode:
    """How an engine learns of completions, and how it tells the jobs that wait for them."""

    name: str
    polled: bool
    """Whether completions are handed out in a poll, and only there. Otherwise the device's interrupt hands them out."""
    polls_itself: bool
    """Whether the engine polls by itself once enough operations are in flight (heuristic polling)."""
    by_callback: bool
    """Whether a job is woken by the callback of its wait context if that has one. Only then does the engine's contract
    matter. A context without a callback is always woken by fd."""
    fds_each: int
    """The file descriptors that the engine opens for a wait context, if that has a callback."""
    wake_fd: str = "fd"
    """Where the engine makes an fd: "fd" for an eventfd, or for a pipe on systems without; "pipe" for a pipe."""


MODES: Final[dict[str, Mode]] = {
    mode.name: mode
    for mode in (
        Mode("fd", polled=False, polls_itself=False, by_callback=False, fds_each=1 if HAS_EVENTFD else 2),
        Mode("pipe", polled=False, polls_itself=False, by_callback=False, fds_each=2, wake_fd="pipe"),
        Mode("callback", polled=False, polls_itself=False, by_callback=True, fds_each=0),
        Mode("poll", polled=True, polls_itself=False, by_callback=True, fds_each=0),
        Mode("heuristic", polled=True, polls_itself=True, by_callback=True, fds_each=0),
    )
}
"""By name: what `Engine(notify=...)` takes."""
NOTIFY: Final = tuple(MODES)
"""The names of the modes."""
BY_FD: Final = tuple(name for name, mode in MODES.items() if not mode.by_callback)
"""The modes that have no contract: they never use a callback."""
POLLED: Final = tuple(name for name, mode in MODES.items() if mode.polled)
"""The modes in which somebody must poll."""
CALLBACKS: Final[dict[str, type[QatCallback]]] = {
    "qat": QatCallback,
    "strict": StrictCallback,
    "dasync": DasyncCallback,
}
"""By name: what `Engine(contract=...)` takes, and the waker that keeps this contract. See docs/contracts.md."""
CONTRACTS: Final = tuple(CALLBACKS)
"""The names of the contracts. The first is the default."""
