"""The contract suite: our accelerators and the example's pass it, and each rule is broken by one that must fail."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest

from engine import UsageError
from examples.threadpool_accelerator import ThreadPoolAccelerator
from sim import Accelerator, Coalescing, VirtualClock
from simaccel.testing import ContractError, check_accelerator
from simaccel.testing.contract_suite.suite import CASES

FUNCTIONS: dict[str, Callable[[bytes], bytes]] = {"sha256": lambda data: sha256(data).digest()}

OURS: dict[str, Callable[[], Any]] = {
    "virtual": lambda: Accelerator(8, clock=VirtualClock(), seed=1),
    "virtual, with a model": lambda: Accelerator(8, 2, "uniform:5us,50us", clock=VirtualClock(), seed=1),
    "virtual, with coalescing": lambda: Accelerator(8, clock=VirtualClock(), coalescing=Coalescing(4), seed=1),
    "virtual, with one slot": lambda: Accelerator(1, latency="fixed:5us", clock=VirtualClock(), seed=1),
    "threaded": lambda: Accelerator(8),
    "threaded, with assistance": lambda: Accelerator(8, assist=True),
    "threaded, with a model": lambda: Accelerator(8, 2, "uniform:5us,50us"),
    "threaded, with rules that say nothing": lambda: Accelerator(8, faults="fail:p=0"),
    "a thread pool": lambda: ThreadPoolAccelerator(FUNCTIONS, depth=8),
}


SESSIONS = {"hmac": (b"key", lambda payload, result: result == hmac.digest(b"key", payload, "sha256"))}


@pytest.mark.parametrize("name", OURS)
def test_ours_pass(name: str) -> None:
    check_accelerator(OURS[name], sessions=None if name == "a thread pool" else SESSIONS)


def test_another_operation() -> None:
    check_accelerator(OURS["virtual"], op="echo", software=bytes, only="completes_each_request_once")
    with pytest.raises(ContractError, match="completes_each_request_once"):
        check_accelerator(OURS["virtual"], op="echo", only="completes_each_request_once")


def test_every_rule_is_stated() -> None:
    assert all(case.__doc__ for case in CASES.values())


class _Pool(ThreadPoolAccelerator):
    """To be broken in one place each."""

    def __init__(self) -> None:
        super().__init__(FUNCTIONS, depth=8)


class _CompletesTwice(_Pool):
    def _run(self, request: Any) -> None:
        super()._run(request)
        request.complete()


class _WrongForLargePayloads(_Pool):
    def _run(self, request: Any) -> None:
        request.payload = request.payload[:4096]
        super()._run(request)


class _TakesAnyOperation(_Pool):
    def prepare(self, request: Any) -> None:
        request.payload = bytes(request.payload)


class _KeepsTheCallersBuffer(_Pool):
    def prepare(self, request: Any) -> None:
        payload = request.payload
        super().prepare(request)
        request.payload = payload


class _RaisesWhenFull(_Pool):
    def submit(self, request: Any) -> bool:
        if not super().submit(request):
            raise RuntimeError("full")
        return True


class _NeverTellsOfSpace(_Pool):
    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        super().attach(on_space, polled=polled)
        self._on_space[-1] = lambda slots: None

    def detach(self, on_space: Callable[[int], None]) -> None:
        self._on_space.pop()
        self._polled = False


class _CompletesBehindThePollersBack(_Pool):
    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        super().attach(on_space, polled=False)


class _ForgetsTheQuota(_Pool):
    def poll(self, quota: int = 0) -> int:
        return super().poll()


class _NeverNotifies(_Pool):
    def notify_once(self, fn: Callable[[], object]) -> None:
        pass


class _NotifiesTheLastOnly(_Pool):
    def notify_once(self, fn: Callable[[], object]) -> None:
        self._on_ready.clear()
        super().notify_once(fn)


class _StopsAtAHandlerThatRaises(_Pool):
    def poll(self, quota: int = 0) -> int:
        batch = list(self._completed)
        self._completed.clear()
        self._taken -= len(batch)
        with suppress(RuntimeError):
            for request in batch:
                request.complete()
                self._on_space[0](1)
        return len(batch)


class _ForgetsWhichKey(Accelerator):
    def __init__(self) -> None:
        super().__init__()
        prepare = self.prepare

        def forgets(request: Any) -> None:
            prepare(request)
            if request.session is not None:
                request.key = self.session("hmac", b"another").key

        self.prepare = forgets


class _TakesNoHeedOfSessions(Accelerator):
    def __init__(self) -> None:
        super().__init__()

        def takes_any(request: Any) -> None:
            key = self.session("hmac", b"key").key
            request.kernel, request.key, request.payload = self.kernels.get(request.op), key, bytes(request.payload)

        self.prepare = takes_any


class _StaysPolled(_Pool):
    def detach(self, on_space: Callable[[int], None]) -> None:
        self._on_space.remove(on_space)

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        if self._polled and not polled:
            raise RuntimeError("polled once, polled for ever")
        super().attach(on_space, polled=polled)


class _CallsTooEarly(_Pool):
    """At once, in call_at itself: a busy machine can't hide that by being late."""

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> threading.Timer:
        fn()
        return super().call_at(due_ns, int)


class _OnABusyMachine(_Pool):
    """Correct, but the thread that sets a timer of less than 100 ms goes on only when the timer has been called."""

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> threading.Timer:
        called = threading.Event()

        def call() -> None:
            fn()
            called.set()

        near = due_ns - self.clock.now_ns() < 100_000_000
        timer = super().call_at(due_ns, call)
        if near:
            called.wait()
        return timer


class _CallsWhatWasCancelled(_Pool):
    def call_at(self, due_ns: int, fn: Callable[[], object]) -> threading.Timer:
        timer = super().call_at(due_ns, fn)
        stop = timer.cancel

        def cancel() -> None:
            stop()
            fn()  # at once, so that no other timer can be faster

        timer.cancel = cancel  # type: ignore[method-assign]
        return timer

    def close(self) -> None:
        self._pool.shutdown()


class _DiesOfAHandler(_Pool):
    """A slot is given back only behind a handler that returns."""

    def _hand_out(self, quota: int) -> int:
        count = 0
        while self._completed and (not quota or count < quota):
            request = self._completed.popleft()
            request.complete()
            count += 1
            with self._lock:
                self._taken -= 1
            for on_space in tuple(self._on_space):
                on_space(1)
        return count


class _NoTwoThreads(_Pool):
    def __init__(self) -> None:
        super().__init__()
        self._owner: int | None = None

    def submit(self, request: Any) -> bool:
        thread = threading.get_ident()
        self._owner = self._owner or thread
        if thread != self._owner:
            raise RuntimeError("another thread")
        return super().submit(request)


class _Forgets:
    """An assistant that does nothing for those that it took."""

    def submit(self, request: Any) -> bool:
        return True

    def poll(self, quota: int = 0) -> int:
        return 0

    def hand_over(self) -> None:
        pass

    def notify_once(self, fn: Callable[[], object]) -> None:
        pass


class _ForgetsWhatIsHandedOver(_Pool):
    assistant = _Forgets()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (_CompletesTwice, "completes_each_request_once"),
        (_WrongForLargePayloads, "takes_empty_and_large_payloads"),
        (_TakesAnyOperation, "prepare_refuses_what_it_can_not_do"),
        (_KeepsTheCallersBuffer, "prepare_copies_what_may_change"),
        (_RaisesWhenFull, "full_is_an_answer"),
        (_NeverTellsOfSpace, "full_is_an_answer"),
        (_CompletesBehindThePollersBack, "polled_completes_only_in_poll"),
        (_ForgetsTheQuota, "polled_completes_only_in_poll"),
        (_NeverNotifies, "polled_completes_only_in_poll"),
        (_NotifiesTheLastOnly, "all_who_ask_are_notified"),
        (_StopsAtAHandlerThatRaises, "one_handler_that_raises_harms_no_other"),
        (_ForgetsWhichKey, "sessions_hold_keys"),
        (_TakesNoHeedOfSessions, "sessions_hold_keys"),
        (_StaysPolled, "polled_or_not_in_turn"),
        (_CallsTooEarly, "timers_keep_their_time"),
        (_CallsWhatWasCancelled, "timers_keep_their_time"),
        (_DiesOfAHandler, "lives_on_when_a_handler_raises"),
        (_NoTwoThreads, "many_threads_may_submit"),
        (_ForgetsWhatIsHandedOver, "an_assistant_leaves_nothing"),
    ],
)
def test_each_rule_is_broken_by_one_that_must_fail(broken: Callable[[], Any], rule: str) -> None:
    with pytest.raises(ContractError) as told:
        check_accelerator(broken, only=rule, watchdog_s=0.5, sessions=SESSIONS)
    assert set(told.value.failures) == {rule}
    assert f"{rule}: " in str(told.value)


def test_a_busy_machine_breaks_no_rule_of_timers() -> None:
    """The timer that is cancelled is due, and called, before the thread comes to cancel it."""
    check_accelerator(_OnABusyMachine, only="timers_keep_their_time")


def test_all_that_is_broken_is_listed() -> None:
    def make() -> Accelerator:
        return Accelerator(8, clock=VirtualClock(), seed=1, faults="corrupt")

    with pytest.raises(ContractError) as told:
        check_accelerator(make)
    assert set(told.value.failures) >= {"completes_each_request_once", "jobs_get_their_results"}
    assert str(told.value).startswith(f"{len(told.value.failures)} of {len(CASES)} rules do not hold:")


def test_bad_arguments_are_refused_before_anything_is_run() -> None:
    accel: Any = Accelerator(8, clock=VirtualClock())
    with pytest.raises(UsageError, match="give a function that makes a new accelerator"), accel:
        check_accelerator(accel)
    with pytest.raises(UsageError, match="did you mean timers_keep_their_time"):
        check_accelerator(_Pool, only="timers_keep_time")
