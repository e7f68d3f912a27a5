"""The harness of the contract suite: an accelerator, requests that record what happens to them, and waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.errors import EngineError
from engine.protocol import Accelerator
from hotpath.submittable import Submittable

WATCHDOG_S = 30.0


Sessions = Mapping[str, tuple[object, Callable[[bytes, bytes], bool]]]
"""For each operation that needs a key: the key, and a function of payload and result that says whether the result is
right."""


class ContractBroken(EngineError, AssertionError):
    """The accelerator breaks a rule that an engine relies on."""


class RecordingRequest(Submittable):
    """A request that records what happens to it."""

    def __init__(self, harness: Harness, payload: Any, op: str | None = None) -> None:
        self.op = harness.op if op is None else op
        self.payload = payload
        self.sent = bytes(payload)
        """A copy of the payload: a device must not change it."""
        self.aux = b""
        self.session: Any = None
        self.submitted_ns = self.started_ns = self.finished_ns = 0
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.completions = 0
        self.then: Callable[[], Any] | None = None
        """Called when the request completes; its return value is returned to the device."""

    def complete(self) -> Any:
        self.completions += 1
        return None if self.then is None else self.then()


class Harness:
    """A new accelerator, an operation that it can do, and software that gives the right result of that operation."""

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
        """Inside the `with`, the harness is attached to the accelerator as an engine is."""

        def on_space(slots: int) -> None:
            self.freed += slots

        self._polled = polled
        self.accel.attach(on_space, polled=polled)
        try:
            yield
        finally:
            self.accel.detach(on_space)
            self._polled = False

    def probe(self, payload: Any, op: str | None = None) -> RecordingRequest:
        """A new request, prepared."""
        probe = RecordingRequest(self, payload, op)
        self.accel.prepare(probe)
        return probe

    def submit(self, probe: RecordingRequest) -> RecordingRequest:
        """Submit it. Raises ContractBroken if submit returns anything but True: there must be a free slot."""
        self.ensure(self.accel.submit(probe) is True, "submit returns True while there are free slots")
        return probe

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Let time pass until reached() is true: jump virtual time, or poll, or sleep on a timer of the accelerator.

        Raises ContractBroken if nothing is due any more, or in real time after `watchdog_s`. `what` says what should
        have happened.
        """
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

    def done(self, *probes: RecordingRequest) -> None:
        """Wait until all of these have completed."""
        self.until(lambda: all(probe.completions for probe in probes), "a submitted request completes")

    def check(self, *probes: RecordingRequest) -> None:
        """Ensure that each has completed once, with its own result."""
        for probe in probes:
            self.ensure(probe.completions == 1, f"complete is called once for a request, not {probe.completions} times")
            self.ensure(probe.error is None, f"no error is set when the operation succeeds: {probe.error!r}")
            wanted = self.software(probe.sent)
            self.ensure(
                probe.result == wanted, f"{probe.op} of {len(probe.sent)} bytes is {wanted!r}, not {probe.result!r}"
            )
