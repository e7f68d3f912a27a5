"""What an engine relies on in an accelerator: the rules of `engine.protocol`, each as a case that can fail.

A case gets a `Bench` with a new accelerator and raises ContractBroken, or lets out whatever goes wrong. It uses nothing
but the Protocol, so that it runs on anybody's accelerator, in real and in virtual time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from simaccel.testing.contract_bench import Bench, ContractBroken, Probe

MANY = 20
HOUR_NS = 3_600_000_000_000


def _payload(number: int) -> bytes:
    return f"payload {number}".encode()


def completes_each_request_once(bench: Bench) -> None:
    """Every request completes, once, with its own result."""
    with bench.attached():
        for number in range(MANY):
            probe = bench.submit(bench.probe(_payload(number)))
            bench.done(probe)
            bench.check(probe)
        probes = [bench.probe(_payload(number)) for number in range(min(MANY, bench.accel.free_slots))]
        for probe in probes:
            bench.submit(probe)
        bench.done(*probes)
        bench.check(*probes)


def takes_empty_and_large_payloads(bench: Bench) -> None:
    """A payload may be empty, and may be large."""
    with bench.attached():
        for payload in (b"", bytes(range(256)) * 256):
            probe = bench.submit(bench.probe(payload))
            bench.done(probe)
            bench.check(probe)


def prepare_refuses_what_it_can_not_do(bench: Bench) -> None:
    """prepare raises for an operation that is not there, and nothing has happened."""
    free = bench.accel.free_slots
    try:
        bench.probe(b"", op="no such operation")
    except Exception:
        bench.ensure(bench.accel.free_slots == free, "a request that prepare refuses takes no slot")
    else:
        raise ContractBroken("prepare raises for an operation that is not there")


def prepare_copies_what_may_change(bench: Bench) -> None:
    """A payload that isn't bytes is copied by prepare: the caller may change it afterwards."""
    with bench.attached():
        buffer = bytearray(b"before")
        probe = bench.probe(buffer)
        buffer[:] = b"behind"
        bench.submit(probe)
        bench.done(probe)
        bench.ensure(probe.result == bench.software(b"before"), "the payload is what it was at the prepare")


def full_is_an_answer(bench: Bench) -> None:
    """submit answers False when no slot is free, at once and without an error; slots come back with completions."""
    accel = bench.accel
    with bench.attached(polled=True):
        slots = accel.free_slots
        probes = [bench.submit(bench.probe(_payload(number))) for number in range(slots)]
        bench.ensure(accel.free_slots == 0, "free_slots is 0 when all slots are taken")
        late = bench.probe(b"late")
        for _ in range(3):
            bench.ensure(accel.submit(late) is False, "submit answers False when no slot is free")
        bench.done(*probes)
        bench.check(*probes)
        bench.ensure(late.completions == 0, "a request that was not taken does not complete")
        bench.ensure(bench.freed == slots, f"on_space tells of every slot: of {slots}, not {bench.freed}")
        bench.ensure(accel.free_slots == slots, "a slot is free again once its completion was handed out")
        bench.done(bench.submit(late))
        bench.check(late)


def polled_completes_only_in_poll(bench: Bench) -> None:
    """While polled, nothing completes but in poll, in the thread that polls, and no more than the quota."""
    accel = bench.accel
    threads: set[int] = set()
    with bench.attached(polled=True):
        count = min(4, accel.free_slots)
        probes = [bench.probe(_payload(number)) for number in range(count)]
        for probe in probes:
            probe.then = lambda: threads.add(threading.get_ident())
            bench.submit(probe)
        ready = threading.Event()
        for left in range(count, 0, -1):
            ready.clear()
            accel.notify_once(ready.set)
            if accel.clock.virtual:
                while not ready.is_set():
                    bench.ensure(accel.clock.jump(), "notify_once calls when there is something to poll for")
            bench.ensure(
                ready.wait(bench.watchdog_s), "notify_once calls when there is something to poll for, also if now"
            )
            done = sum(probe.completions for probe in probes)
            bench.ensure(done == count - left, "nothing completes but in poll")
            bench.ensure(accel.poll(1) == 1, "poll returns how many it has completed")
            done = sum(probe.completions for probe in probes)
            bench.ensure(done == count - left + 1, "poll completes no more than its quota")
        bench.ensure(accel.poll() == 0, "poll returns 0 when nothing is there")
        bench.check(*probes)
    bench.ensure(threads == {threading.get_ident()}, "poll completes in the thread that calls it")


def all_who_ask_are_notified(bench: Bench) -> None:
    """notify_once calls each function that was given to it, whoever else asks."""
    accel = bench.accel
    asked = [threading.Event() for _ in range(3)]
    with bench.attached(polled=True):
        for event in asked:
            accel.notify_once(event.set)
        probe = bench.submit(bench.probe(b"one completion for all"))
        for event in asked:
            while accel.clock.virtual and not event.is_set():
                bench.ensure(accel.clock.jump(), "notify_once calls all who have asked")
            bench.ensure(event.wait(bench.watchdog_s), "notify_once calls all who have asked")
        bench.done(probe)


def polled_or_not_in_turn(bench: Bench) -> None:
    """When the last engine has gone, the next may take completions the other way."""
    for polled in (True, False, True):
        with bench.attached(polled=polled):
            probe = bench.submit(bench.probe(b"in turn"))
            bench.done(probe)
            bench.check(probe)


def timers_keep_their_time(bench: Bench) -> None:
    """call_at calls not before its time, and not if it was cancelled before its time."""
    accel = bench.accel
    calls: list[tuple[int, int]] = []
    now_ns = accel.clock.now_ns()
    with bench.attached():
        far = accel.call_at(now_ns + HOUR_NS, lambda: calls.append((now_ns + HOUR_NS, accel.clock.now_ns())))
        for delay_ns in (2_000_000, 1_000_000, 0):
            due_ns = now_ns + delay_ns
            accel.call_at(due_ns, lambda due_ns=due_ns: calls.append((due_ns, accel.clock.now_ns())))  # type: ignore[misc]
        bench.until(lambda: len(calls) >= 3, "call_at calls")
        far.cancel()
        # Only a timer that was cancelled before it was due proves anything: on a busy machine this takes a few tries.
        for delay_ns in (2_000_000, 20_000_000, 200_000_000, 2_000_000_000):
            if _cancelled_in_time(bench, delay_ns):
                break
    bench.ensure(all(called_ns >= due_ns for due_ns, called_ns in calls), "a timer is not called before its time")
    bench.ensure(len(calls) == 3, "a timer is called once")


def _cancelled_in_time(bench: Bench, delay_ns: int) -> bool:
    """Cancel a timer that is due so much later, and wait until well after that: it was not called. False if the cancel
    itself came too late to tell."""
    accel = bench.accel
    wrong: list[int] = []
    over: list[int] = []
    due_ns = accel.clock.now_ns() + delay_ns
    cancelled = accel.call_at(due_ns, lambda: wrong.append(0))
    cancelled.cancel()
    cancelled.cancel()
    if accel.clock.now_ns() >= due_ns:
        return False
    accel.call_at(due_ns + 18_000_000, lambda: over.append(0))
    bench.until(lambda: bool(over), "call_at calls")
    bench.ensure(not wrong, "a timer that was cancelled is not called")
    return True


def completions_may_submit(bench: Bench) -> None:
    """A completion's handler may submit the next request."""
    with bench.attached():
        second = bench.probe(b"second")
        first = bench.probe(b"first")
        first.then = lambda: bench.submit(second) and None
        bench.submit(first)
        bench.done(first, second)
        bench.check(first, second)


def lives_on_when_a_handler_raises(bench: Bench) -> None:
    """A completion whose handler raises is that caller's trouble: others complete, the slot is free again."""

    def refuse() -> None:
        raise RuntimeError("a handler that raises, as part of a contract test")

    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        with bench.attached():
            slots = bench.accel.free_slots
            bad, good = bench.probe(b"bad"), bench.probe(b"good")
            bad.then = refuse
            bench.submit(bad)
            bench.done(bad)
            bench.submit(good)
            bench.done(good)
            bench.check(good)
            bench.until(lambda: bench.accel.free_slots == slots, "the slot of a handler that raised is free again")
    finally:
        threading.excepthook = hook


def one_handler_that_raises_harms_no_other(bench: Bench) -> None:
    """Of completions that are handed out together each is, also behind one whose handler raises."""

    def refuse() -> None:
        raise RuntimeError("a handler that raises, as part of a contract test")

    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        with bench.attached(polled=True):
            probes = [bench.probe(_payload(number)) for number in range(min(3, bench.accel.free_slots))]
            probes[len(probes) // 2].then = refuse
            for probe in probes:
                bench.submit(probe)
            bench.done(*probes)
            bench.check(*probes)
            bench.ensure(bench.freed == len(probes), "on_space tells of the slot too whose handler raised")
    finally:
        threading.excepthook = hook


def sessions_hold_keys(bench: Bench) -> None:
    """A session is a key for any number of requests of its operation; prepare raises without one, and for another's."""
    opened = {op: bench.accel.session(op, key) for op, (key, _) in bench.sessions.items()}
    with bench.attached():
        for op, session in opened.items():
            for number in range(2):
                probe = Probe(bench, _payload(number), op)
                probe.session = session
                bench.accel.prepare(probe)
                bench.done(bench.submit(probe))
                bench.ensure(probe.error is None, f"{op} with a session succeeds: {probe.error!r}")
                right = bench.sessions[op][1]
                bench.ensure(right(_payload(number), probe.result or b""), f"{op} uses the session's own key")
    for op in opened:
        others = [session for other, session in opened.items() if other != op]
        for wrong in (None, *others):
            probe = Probe(bench, b"", op)
            probe.session = wrong
            try:
                bench.accel.prepare(probe)
            except Exception:
                continue
            raise ContractBroken(f"prepare raises for {op} with {'no' if wrong is None else 'the wrong'} session")


def takes_any_answer(bench: Bench) -> None:
    """complete may answer that nobody wanted the completion any more (1), or ever (2): it is the device's to count."""
    with bench.attached():
        probes = [bench.probe(_payload(number)) for number in range(2)]
        for answer, probe in enumerate(probes, 1):
            probe.then = lambda answer=answer: answer
            bench.submit(probe)
            bench.done(probe)
        bench.check(*probes)


def many_threads_may_submit(bench: Bench) -> None:
    """In real time any thread may submit."""
    if bench.accel.clock.virtual:
        return
    with bench.attached():
        probes = [bench.probe(_payload(number)) for number in range(4 * MANY)]

        def submit(mine: list[Probe]) -> None:
            for probe in mine:
                bench.until(lambda: bench.accel.submit(probe), "slots fall free")  # noqa: B023  # called at once

        threads = [threading.Thread(target=submit, args=(probes[first::4],)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bench.done(*probes)
        bench.check(*probes)


DEVICE_CASES: tuple[Callable[[Bench], None], ...] = (
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
)
"""Each is one rule, which its docstring states."""
