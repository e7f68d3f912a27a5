"""A program that ends without closing anything ends: no hang, no crash, whatever is in flight."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.engine.children import LIMIT_S, PREAMBLE, ROOT, run
from tests.engine.ways import NOTIFY


@pytest.mark.parametrize("notify", NOTIFY)
@pytest.mark.parametrize("clock", ["None", "VirtualClock()"])
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
        timeout=LIMIT_S,
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
        from engine import poller
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
