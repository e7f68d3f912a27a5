"""A program that ends without closing anything ends: no hang, no crash, whatever is in flight."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.modes import NOTIFY
from tests.effort import pairs
from tests.engine.children import PREAMBLE, ROOT, run
from tests.limits import WAIT_S


@pytest.mark.parametrize(("notify", "clock"), pairs(NOTIFY, ["None", "VirtualClock()"]))
def test_an_end_with_operations_in_flight(notify: str, clock: str) -> None:
    """Jobs paused, in a scheduler and by hand, an asyncio task never awaited, a slow device."""
    program = f"""
accel = Accelerator(depth=4, latency="fixed:3600s", clock={clock})
engine = Engine(accel, {notify!r})
scheduler = Scheduler()
ctx = WaitCtx()
ctx.set_callback(print)
jobs = [scheduler.spawn(engine.call, "null") for _ in range(8)]
job = start_job(engine.call, "null", wait_ctx=ctx)

def stop():
    raise KeyboardInterrupt

scheduler.spawn(stop)
try:
    scheduler.run()
except KeyboardInterrupt:
    print("interrupted,", engine.in_flight)
"""
    ended = subprocess.run(
        [sys.executable, "-c", PREAMBLE + program],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        cwd=ROOT,
        check=True,
    )
    assert ended.stdout == "interrupted, 9\n"
    assert "Fatal" not in ended.stderr


@pytest.mark.parametrize("notify", ["fd", "poll"])
def test_an_end_while_a_thread_is_blocked_in_an_operation(notify: str) -> None:
    run(
        f"""
        import warnings
        warnings.simplefilter("ignore")
        entered = threading.Event()
        accel = Accelerator()
        accel.register("held", lambda payload: (entered.set(), threading.Event().wait(), payload)[2])
        engine = Engine(accel, {notify!r})
        threading.Thread(target=engine.call, args=("held",), daemon=True).start()
        entered.wait()
        """
    )


def test_an_end_in_the_middle_of_real_work() -> None:
    """The worker is in a kernel of OpenSSL when the interpreter goes."""
    run(
        """
        import warnings
        warnings.simplefilter("ignore")
        accel = Accelerator(depth=1024)
        engine = Engine(accel, "callback")
        scheduler = Scheduler()
        contexts = []
        for _ in range(500):
            contexts.append(WaitCtx())
            contexts[-1].set_callback(lambda arg: None)
            start_job(engine.sha256, bytes(1_000_000), wait_ctx=contexts[-1])
        """
    )


def test_a_keyboard_interrupt_by_signal_leaves_nothing_behind() -> None:
    """A real SIGINT, while the scheduler sleeps for a slow device."""
    printed = run(
        """
        import signal
        accel = Accelerator(latency="fixed:3600s")
        fds = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        class Poll:
            '''Sends the signal once the scheduler is about to sleep.'''
        from engine.drivers import poller
        wait = poller.Poller.wait
        def wait_and_interrupt(self, timeout_ns):
            if timeout_ns is None:
                os.kill(os.getpid(), signal.SIGINT)
            return wait(self, timeout_ns)
        poller.Poller.wait = wait_and_interrupt
        try:
            with accel, Engine(accel) as engine, Scheduler() as scheduler:
                jobs = [scheduler.spawn(engine.call, "null") for _ in range(10)]
                scheduler.run()
        except KeyboardInterrupt:
            print("interrupted")
        print([job.state.value for job in jobs] == ["cancelled"] * 10)
        print(threading.active_count())
        print((len(os.listdir("/proc/self/fd")) if fds else 0) - fds)
        """
    )
    assert printed.splitlines() == ["interrupted", "True", "1", "0"]


AT_THE_END = """
class AtTheEnd:
    '''Calls it while the interpreter ends, when no other thread runs any more.'''

    def __init__(self, call, *args):
        self._call, self._args = call, args

    def __del__(self, is_finalizing=sys.is_finalizing, show=print, refused=ClosedError):
        assert is_finalizing()
        try:
            show(self._call(*self._args))
        except refused as error:
            show(error)

def hold_for_ever(lock):
    '''In a thread that the end of the interpreter stops inside.'''
    own = {"lock": lock, "held": threading.Event(), "forever": threading.Event()}
    # With globals of its own, or the thread's frame would keep what is in ours alive.
    exec("def hold():\\n with lock:\\n  held.set()\\n  forever.wait()", own)
    threading.Thread(target=own["hold"], daemon=True).start()
    own["held"].wait()

import warnings
warnings.simplefilter("ignore", ResourceWarning)
accel = Accelerator(latency="fixed:3600s")
engine = Engine(accel)
"""


def test_an_operation_called_while_the_interpreter_ends_is_refused() -> None:
    """Its device's worker does not run any more, so it would wait for ever."""
    assert "the interpreter ends" in run(AT_THE_END + "at_the_end = AtTheEnd(engine.sha256, b'')")


def test_a_scheduler_run_while_the_interpreter_ends_is_refused() -> None:
    assert "the interpreter ends" in run(AT_THE_END + "at_the_end = AtTheEnd(Scheduler().run)")


@pytest.mark.parametrize("step", ["engine.close", "ctx.close"])
def test_what_stopped_threads_hold_is_not_waited_for_when_the_interpreter_ends(step: str) -> None:
    """As if the worker had been stopped in the middle of a wake."""
    run(
        AT_THE_END
        + f"""
ctx = WaitCtx()
job = start_job(engine.sha256, b"", wait_ctx=ctx)
(operation,) = engine._performer.flight
hold_for_ever(operation.waker.wake_fd.lock)
at_the_end = AtTheEnd({step})
at_the_end.keeps = job  # or it would be collected, and its operation given up, before
"""
    )


@pytest.mark.parametrize("kind", ["engine.sha256", "engine.aio.sha256"])
def test_a_job_that_is_collected_while_the_interpreter_ends_waits_for_no_wake(kind: str) -> None:
    """As if the worker had been stopped behind its claim of the operation and before the token."""
    run(
        AT_THE_END
        + f"""
async def awaits():
    await engine.aio.sha256(b"")

job = start_job({"awaits" if "aio" in kind else "engine.sha256, b''"}, wait_ctx=WaitCtx())
(operation,) = engine._performer.flight
del engine._performer.flight[operation]
"""
    )
