"""The bench of the contract suite: an accelerator, requests that note what becomes of them, and waiting in any time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.errors import EngineError
from engine.protocol import Accelerator

WATCHDOG_S = 30.0


Sessions = Mapping[str, tuple[object, Callable[[bytes, bytes], bool]]]
"""Operations that need a key: one for each, and whether a result is right for a payload."""


class ContractBroken(EngineError, AssertionError):
    """The accelerator does not do what an engine relies on."""


class Probe:
    """A request that notes what becomes of it."""

    kernel: Any
    key: Any

    def __init__(self, bench: Bench, payload: Any, op: str | None = None) -> None:
        self.op = bench.op if op is None else op
        self.payload = payload
        self.sent = bytes(payload)
        """What the payload was: a device must not change what it should do."""
        self.aux = b""
        self.session: Any = None
        self.submitted_ns = self.started_ns = self.finished_ns = 0
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.completions = 0
        self.then: Callable[[], Any] | None = None
        """Called at its completion; what it returns is the answer to the device."""

    def complete(self) -> Any:
        self.completions += 1
        return None if self.then is None else self.then()


class Bench:
    """A new accelerator, an operation it can do, and what that should give."""

    def __init__(
        self,
        accel: Accelerator,
        op: str,
        software: Callable[[bytes], bytes],
        watchdog_s: float = WATCHDOG_S,
        sessions: Sessions | None = None,
    ) -> None:
        self.accel = accel
        self.op = op
        self.software = software
        self.watchdog_s = watchdog_s
        """How long anything may take in real time."""
        self.sessions = sessions or {}
        self.freed = 0
        self._polled = False

    def ensure(self, holds: bool, rule: str) -> None:
        """Raise ContractBroken with that rule unless it holds."""
        if not holds:
            raise ContractBroken(rule)

    @contextmanager
    def attached(self, *, polled: bool = False) -> Iterator[None]:
        """As an engine does it."""

        def on_space(slots: int) -> None:
            self.freed += slots

        self._polled = polled
        self.accel.attach(on_space, polled=polled)
        try:
            yield
        finally:
            self.accel.detach(on_space)
            self._polled = False

    def probe(self, payload: Any, op: str | None = None) -> Probe:
        """A request, prepared."""
        probe = Probe(self, payload, op)
        self.accel.prepare(probe)
        return probe

    def submit(self, probe: Probe) -> Probe:
        """Submit it, where there must be room."""
        self.ensure(self.accel.submit(probe) is True, "submit answers True while there are free slots")
        return probe

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Let time pass until that is so: jump, poll, or sleep until a timer or a notification ends the sleep."""
        clock = self.accel.clock
        deadline_ns = clock.now_ns() + int(self.watchdog_s * 1e9)
        while not reached():
            if self._polled:
                self.accel.poll()
            if reached():
                return
            if clock.virtual:
                self.ensure(clock.jump(), f"{what}, but nothing is due any more")
                continue
            self.ensure(clock.now_ns() < deadline_ns, f"{what}, but not within {self.watchdog_s} s")
            look = threading.Event()
            timer = self.accel.call_at(clock.now_ns() + 1_000_000, look.set)
            look.wait(self.watchdog_s)
            timer.cancel()

    def done(self, *probes: Probe) -> None:
        """Wait until all of these have completed."""
        self.until(lambda: all(probe.completions for probe in probes), "what was submitted completes")

    def check(self, *probes: Probe) -> None:
        """That each has completed once, with its own result."""
        for probe in probes:
            self.ensure(probe.completions == 1, f"complete is called once a request, not {probe.completions} times")
            self.ensure(probe.error is None, f"no error is set where the operation succeeded: {probe.error!r}")
            wanted = self.software(probe.sent)
            self.ensure(
                probe.result == wanted, f"{probe.op} of {len(probe.sent)} bytes is {wanted!r}, not {probe.result!r}"
            )
