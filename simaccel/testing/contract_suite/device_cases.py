"""The cases for the accelerator itself. Each is one rule of `engine.protocol`, and its docstring states the rule.

A case gets a `Harness` with a new accelerator. It passes, or raises ContractBroken, or lets the accelerator's own
exception through. It uses nothing but the Protocol, so it runs on any accelerator, in real and in virtual time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from simaccel.testing.contract_suite.harness import ContractBroken, Harness, RecordingRequest

MANY = 20
HOUR_NS = 3_600_000_000_000


def _payload(number: int) -> bytes:
    return f"payload {number}".encode()


def completes_each_request_once(harness: Harness) -> None:
    """Every request completes exactly once, with its own result."""
    with harness.attached():
        for number in range(MANY):
            probe = harness.submit(harness.probe(_payload(number)))
            harness.done(probe)
            harness.check(probe)
        probes = [harness.probe(_payload(number)) for number in range(min(MANY, harness.accel.free_slots))]
        for probe in probes:
            harness.submit(probe)
        harness.done(*probes)
        harness.check(*probes)


def takes_empty_and_large_payloads(harness: Harness) -> None:
    """A payload may be empty, and it may be large (64 KiB)."""
    with harness.attached():
        for payload in (b"", bytes(range(256)) * 256):
            probe = harness.submit(harness.probe(payload))
            harness.done(probe)
            harness.check(probe)


def prepare_refuses_what_it_can_not_do(harness: Harness) -> None:
    """prepare raises for an unknown operation, and takes no slot."""
    free = harness.accel.free_slots
    try:
        harness.probe(b"", op="no such operation")
    except Exception:
        harness.ensure(harness.accel.free_slots == free, "a request that prepare refuses takes no slot")
    else:
        raise ContractBroken("prepare raises for an unknown operation")


def prepare_copies_what_may_change(harness: Harness) -> None:
    """prepare copies a payload that is not bytes: the caller may change the buffer afterwards."""
    with harness.attached():
        buffer = bytearray(b"before")
        probe = harness.probe(buffer)
        buffer[:] = b"after."
        harness.submit(probe)
        harness.done(probe)
        harness.ensure(
            probe.result == harness.software(b"before"), "the device works on the payload as it was at prepare"
        )


def full_is_an_answer(harness: Harness) -> None:
    """submit returns False at once when no slot is free, and raises nothing. A completion frees its slot."""
    accel = harness.accel
    with harness.attached(polled=True):
        slots = accel.free_slots
        probes = [harness.submit(harness.probe(_payload(number))) for number in range(slots)]
        harness.ensure(accel.free_slots == 0, "free_slots is 0 when all slots are taken")
        late = harness.probe(b"late")
        for _ in range(3):
            harness.ensure(accel.submit(late) is False, "submit returns False when no slot is free")
        harness.done(*probes)
        harness.check(*probes)
        harness.ensure(late.completions == 0, "a request that was not taken does not complete")
        harness.ensure(harness.freed == slots, f"on_space reports every freed slot: {slots}, not {harness.freed}")
        harness.ensure(accel.free_slots == slots, "a slot is free again after its completion was handed out")
        harness.done(harness.submit(late))
        harness.check(late)


def polled_completes_only_in_poll(harness: Harness) -> None:
    """When polled, requests complete only inside poll, in the thread that calls it, and at most `quota` of them."""
    accel = harness.accel
    threads: set[int] = set()
    with harness.attached(polled=True):
        count = min(4, accel.free_slots)
        probes = [harness.probe(_payload(number)) for number in range(count)]
        for probe in probes:
            probe.then = lambda: threads.add(threading.get_ident())
            harness.submit(probe)
        ready = threading.Event()
        for left in range(count, 0, -1):
            ready.clear()
            accel.notify_once(ready.set)
            if accel.clock.virtual:
                while not ready.is_set():
                    harness.ensure(accel.clock.jump(), "notify_once calls when there is something to poll for")
            harness.ensure(
                ready.wait(harness.watchdog_s),
                "notify_once calls when there is something to poll for, even if it is there already",
            )
            done = sum(probe.completions for probe in probes)
            harness.ensure(done == count - left, "requests complete only inside poll")
            harness.ensure(accel.poll(1) == 1, "poll returns how many requests it completed")
            done = sum(probe.completions for probe in probes)
            harness.ensure(done == count - left + 1, "poll completes no more than its quota")
        harness.ensure(accel.poll() == 0, "poll returns 0 when nothing is there")
        harness.check(*probes)
    harness.ensure(threads == {threading.get_ident()}, "poll completes in the thread that calls it")


def all_who_ask_are_notified(harness: Harness) -> None:
    """notify_once calls every function that it was given, however many there are."""
    accel = harness.accel
    asked = [threading.Event() for _ in range(3)]
    with harness.attached(polled=True):
        for event in asked:
            accel.notify_once(event.set)
        probe = harness.submit(harness.probe(b"one completion for all"))
        for event in asked:
            while accel.clock.virtual and not event.is_set():
                harness.ensure(accel.clock.jump(), "notify_once calls every function that it was given")
            harness.ensure(event.wait(harness.watchdog_s), "notify_once calls every function that it was given")
        harness.done(probe)


def polled_or_not_in_turn(harness: Harness) -> None:
    """After the last engine has detached, the next one may poll even if the last one did not, and the other way
    round."""
    for polled in (True, False, True):
        with harness.attached(polled=polled):
            probe = harness.submit(harness.probe(b"in turn"))
            harness.done(probe)
            harness.check(probe)


def timers_keep_their_time(harness: Harness) -> None:
    """A timer of call_at is called once, not before its time, and not at all if it was cancelled before its time."""
    accel = harness.accel
    calls: list[tuple[int, int]] = []
    now_ns = accel.clock.now_ns()
    with harness.attached():
        far = accel.call_at(now_ns + HOUR_NS, lambda: calls.append((now_ns + HOUR_NS, accel.clock.now_ns())))
        for delay_ns in (2_000_000, 1_000_000, 0):
            due_ns = now_ns + delay_ns
            accel.call_at(due_ns, lambda due_ns=due_ns: calls.append((due_ns, accel.clock.now_ns())))  # type: ignore[misc]
        harness.until(lambda: len(calls) >= 3, "call_at calls the function")
        far.cancel()
        # A timer proves something only if it was cancelled before it was due. On a busy machine this takes a few tries.
        for delay_ns in (2_000_000, 20_000_000, 200_000_000, 2_000_000_000):
            if _cancelled_in_time(harness, delay_ns):
                break
    harness.ensure(all(called_ns >= due_ns for due_ns, called_ns in calls), "a timer is not called before its time")
    harness.ensure(len(calls) == 3, "a timer is called once")


def _cancelled_in_time(harness: Harness, delay_ns: int) -> bool:
    """Cancel a timer that is due in `delay_ns`, wait until well after that, and check that it was not called.

    Returns False if the cancel came too late to prove anything.
    """
    accel = harness.accel
    wrong: list[int] = []
    over: list[int] = []
    due_ns = accel.clock.now_ns() + delay_ns
    cancelled = accel.call_at(due_ns, lambda: wrong.append(0))
    cancelled.cancel()
    cancelled.cancel()
    if accel.clock.now_ns() >= due_ns:
        return False
    accel.call_at(due_ns + 18_000_000, lambda: over.append(0))
    harness.until(lambda: bool(over), "call_at calls the function")
    harness.ensure(not wrong, "a timer that was cancelled is not called")
    return True


def completions_may_submit(harness: Harness) -> None:
    """The completion of a request may submit the next request."""
    with harness.attached():
        second = harness.probe(b"second")
        first = harness.probe(b"first")
        first.then = lambda: harness.submit(second) and None
        harness.submit(first)
        harness.done(first, second)
        harness.check(first, second)


def lives_on_when_a_handler_raises(harness: Harness) -> None:
    """After a `complete` that raises, later requests complete, and its slot is free again."""

    def refuse() -> None:
        raise RuntimeError("a handler that raises, as part of a contract test")

    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        with harness.attached():
            slots = harness.accel.free_slots
            bad, good = harness.probe(b"bad"), harness.probe(b"good")
            bad.then = refuse
            harness.submit(bad)
            harness.done(bad)
            harness.submit(good)
            harness.done(good)
            harness.check(good)
            harness.until(
                lambda: harness.accel.free_slots == slots, "the slot of a request whose complete raised is free again"
            )
    finally:
        threading.excepthook = hook


def one_handler_that_raises_harms_no_other(harness: Harness) -> None:
    """When several completions are handed out together and one raises, the others are still handed out."""

    def refuse() -> None:
        raise RuntimeError("a handler that raises, as part of a contract test")

    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        with harness.attached(polled=True):
            probes = [harness.probe(_payload(number)) for number in range(min(3, harness.accel.free_slots))]
            probes[len(probes) // 2].then = refuse
            for probe in probes:
                harness.submit(probe)
            harness.done(*probes)
            harness.check(*probes)
            harness.ensure(
                harness.freed == len(probes), "on_space also reports the slot of the request whose complete raised"
            )
    finally:
        threading.excepthook = hook


def sessions_hold_keys(harness: Harness) -> None:
    """A session holds a key for any number of requests. prepare raises without one, and for the wrong one."""
    opened = {op: harness.accel.session(op, key) for op, (key, _) in harness.sessions.items()}
    with harness.attached():
        for op, session in opened.items():
            for number in range(2):
                probe = RecordingRequest(harness, _payload(number), op)
                probe.session = session
                harness.accel.prepare(probe)
                harness.done(harness.submit(probe))
                harness.ensure(probe.error is None, f"{op} with a session succeeds: {probe.error!r}")
                right = harness.sessions[op][1]
                harness.ensure(right(_payload(number), probe.result or b""), f"{op} uses the session's own key")
    for op in opened:
        others = [session for other, session in opened.items() if other != op]
        for wrong in (None, *others):
            probe = RecordingRequest(harness, b"", op)
            probe.session = wrong
            try:
                harness.accel.prepare(probe)
            except Exception:
                continue
            raise ContractBroken(f"prepare raises for {op} with {'no' if wrong is None else 'the wrong'} session")


def takes_any_answer(harness: Harness) -> None:
    """complete may return 1 (nobody waits for it any more) or 2 (nobody ever did). The device only counts that."""
    with harness.attached():
        probes = [harness.probe(_payload(number)) for number in range(2)]
        for answer, probe in enumerate(probes, 1):
            probe.then = lambda answer=answer: answer
            harness.submit(probe)
            harness.done(probe)
        harness.check(*probes)


def many_threads_may_submit(harness: Harness) -> None:
    """In real time any thread may submit."""
    if harness.accel.clock.virtual:
        return
    with harness.attached():
        probes = [harness.probe(_payload(number)) for number in range(4 * MANY)]

        def submit(mine: list[RecordingRequest]) -> None:
            for probe in mine:
                harness.until(lambda: harness.accel.submit(probe), "slots become free")  # noqa: B023  # called at once

        threads = [threading.Thread(target=submit, args=(probes[first::4],)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        harness.done(*probes)
        harness.check(*probes)


def an_assistant_leaves_nothing(harness: Harness) -> None:
    """If it has an assistant: a request that this has taken completes once, after poll, hand_over or notify_once."""
    assistant = getattr(harness.accel, "assistant", None)
    if assistant is None:
        return
    with harness.attached():
        for number in range(MANY):
            probe = harness.probe(_payload(number))
            harness.ensure(assistant.submit(probe) is True, "submit returns True while there are free slots")
            (assistant.poll, assistant.hand_over, lambda: assistant.notify_once(lambda: None))[number % 3]()
            harness.done(probe)
            harness.check(probe)


DEVICE_CASES: tuple[Callable[[Harness], None], ...] = (
    completes_each_request_once,
    takes_empty_and_large_payloads,
    prepare_refuses_what_it_can_not_do,
    prepare_copies_what_may_change,
    full_is_an_answer,
    polled_completes_only_in_poll,
    all_who_ask_are_notified,
    polled_or_not_in_turn,
    timers_keep_their_time,
    completions_may_submit,
    lives_on_when_a_handler_raises,
    one_handler_that_raises_harms_no_other,
    sessions_hold_keys,
    takes_any_answer,
    many_threads_may_submit,
    an_assistant_leaves_nothing,
)
"""Each is one rule, stated by its docstring."""
