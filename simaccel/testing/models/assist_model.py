"""The model of assistance: threads that do the device's work while they wait, and the worker that does the rest.

Assistant, worker and device are the real ones. But instead of the worker's thread there is an actor, and its bell is a
lock that is acquired in steps. These are the actors:

- *waiter N*: submits a request, does what work there is, and sleeps until its own request has completed. Some waiters
  only submit and sleep, as a job does that the application drives.
- *worker*: steps the device until there is nothing to do, and sleeps until the bell is rung.

If a wake-up were lost, a waiter would sleep for ever, and the run would be stuck.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from engine.jobs.thread import LOCAL
from hotpath.spinning import Spinner
from sim.assistant import Assistant
from sim.clock import RealClock
from sim.device import Device
from sim.interrupt import Coalescing
from sim.randomness import Randomness
from sim.request import Request
from sim.submission import Submission
from sim.timing import INSTANT
from sim.worker import Worker
from simaccel.testing.exploration.run import Run

SEAM = (Assistant.submit, Assistant.poll, Assistant.hand_over, Assistant.notify_once, Worker)


class _Standing(RealClock):
    """A real clock that stands still, so that every request counts as short."""

    @staticmethod
    def now_ns() -> int:
        return 1


class _Bell:
    """A lock that is acquired in steps."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._rung = False

    def acquire(self, timeout: float = -1) -> bool:
        self._run.wait("the bell is rung", lambda: self._rung)
        self._rung = False
        return True

    def release(self) -> None:
        if self._rung:
            raise RuntimeError("release of a lock that is not locked")
        self._rung = True


class _Worker(Worker):
    """A worker without a thread."""

    def __init__(self, device: Device, run: Run) -> None:
        self._device, self._now_ns = device, device.clock.now_ns
        self._bell = _Bell(run)  # type: ignore[assignment]
        self._spinner = Spinner()
        self.asleep = self.rung = 0
        self.claims = []
        self._sleeps = count(1)
        self._may_stop = None


@dataclass(frozen=True)
class AssistModel:
    """A model for `explore`: `assisting` waiters that assist and `plain` ones that do not."""

    name: str = "assist"
    assisting: int = 2
    plain: int = 0
    assistant: type[Assistant] = Assistant
    step_into: tuple[object, ...] = SEAM

    def __call__(self, run: Run) -> None:
        clock = _Standing()
        device = Device(4, 1, INSTANT, Coalescing(), Randomness(1), clock)
        submission = Submission(device.ring, device.gate, device.counters, clock.now_ns, 1 << 20)
        submission.worker = _Worker(device, run)
        assistant = self.assistant(device, submission, ident=lambda: id(LOCAL.state))
        kernel = submission.kernels.get("echo")
        assistant._short["echo"] = kernel, 16
        done: list[Request] = []

        def waits(number: int) -> None:
            request = Request("echo", bytes([number]), on_complete=done.append)
            submission.prepare(request)
            if number < self.assisting:
                assistant.submit(request)
                while assistant.poll():
                    if request in done:
                        return
                assistant.notify_once(lambda: None)
            else:
                submission.submit(request)
            run.wait("sleep", lambda: request in done)

        waiters = self.assisting + self.plain
        for number in range(waiters):
            run.actor(f"waiter {number}", waits, number)
        run.actor("worker", submission.worker._step_until_stopped, daemon=True)

        def check() -> None:
            assert sorted(request.result or b"" for request in done) == [bytes([n]) for n in range(waiters)]
            assert device.counters.completed == waiters

        run.at_end(check)
