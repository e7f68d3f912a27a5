"""The notify modes and the contracts of the callback: one table of each, and the only place that lists them.

The engine, the command line, the benchmarks, the testing tools and the tests read these tables. A new mode is a row of
`MODES`; if it does something that no column describes, it needs a new column and code. A new contract is a class in
`engine/offload/wakers.py` and a row of `CALLBACKS`. `tests/engine/test_modes.py` checks each column on a real engine.
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
    """Whether completions are handed out by polls only. Otherwise the device's interrupt hands them out."""
    polls_itself: bool
    """Whether the engine polls by itself once enough operations are in flight (heuristic polling)."""
    by_callback: bool
    """Whether a job is woken by the callback of its wait context, if the context has one. Only then does the engine's
    contract matter. If the context has no callback, its job is always woken by fd."""
    fds_each: int
    """How many fds the engine opens for a wait context that has a callback."""
    wake_fd: str = "fd"
    """What the engine makes where it needs an fd: "pipe" is a pipe; "fd" is an eventfd, or a pipe if the system has no
    eventfds."""


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
"""The modes by their names, which `Engine(notify=...)` takes."""
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
"""The contracts by their names, which `Engine(contract=...)` takes, with the waker that keeps each. See
docs/contracts.md."""
CONTRACTS: Final = tuple(CALLBACKS)
"""The names of the contracts. The first is the default."""
