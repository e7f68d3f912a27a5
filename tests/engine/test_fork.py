"""Behind a fork the child gets a clear error from what it inherited, never a hang, and may make its own; the parent
goes on as if nothing had been. Each program runs in a process of its own, and the fork's child under an alarm.
"""

from __future__ import annotations

import os

import pytest

from engine.modes import BY_FD, NOTIFY, POLLED
from tests.effort import pairs
from tests.engine.children import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.mark.parametrize(("notify", "clock"), pairs(NOTIFY, ["None", "VirtualClock()"]))
def test_every_door_of_an_inherited_engine_says_whose_it_is(notify: str, clock: str) -> None:
    printed = run(
        f"""
        with Accelerator(clock={clock}) as accel, Engine(accel, {notify!r}) as engine, Scheduler() as scheduler:
            scheduler.map(engine.sha256, [b""] * 20)

            def child():
                def attempt(call):
                    try:
                        print(call())
                    except Exception as error:
                        print(type(error).__name__, "parent" in str(error), "new one" in str(error))
                attempt(lambda: engine.sha256(b""))
                attempt(lambda: asyncio.run(engine.aio.sha256(b"")))
                attempt(lambda: start_job(engine.sha256, b"").result())
                attempt(lambda: scheduler.spawn(engine.sha256, b""))
                attempt(lambda: scheduler.run())
                with Scheduler() as own:
                    attempt(lambda: own.map(engine.sha256, [b""]))
                with Accelerator() as accel2, Engine(accel2, {notify!r}) as engine2, Scheduler() as own:
                    assert own.map(engine2.call, ["echo"] * 3, [b"1", b"2", b"3"]) == [b"1", b"2", b"3"]
                    assert asyncio.run(engine2.aio.call("echo", b"x")) == b"x"
                engine.close()
                accel.close()
                scheduler.close()

            in_child(child)
            assert scheduler.map(engine.call, ["echo"] * 20, [b"x"] * 20) == [b"x"] * 20
            print(accel.statistics().submitted)
        """
    )
    assert printed.splitlines() == ["ClosedError True True"] * 6 + ["40"]


def test_an_inherited_accelerator_says_whose_it_is() -> None:
    printed = run(
        """
        with Accelerator() as accel:
            def child():
                try:
                    Engine(accel).sha256(b"")
                except OperationError as error:
                    print(type(error.__cause__).__name__, "parent process" in str(error))
            in_child(child)
            with Engine(accel) as engine:
                print(len(engine.sha256(b"")))
        """
    )
    assert printed.splitlines() == ["ClosedError True", "32"]


@pytest.mark.parametrize(
    ("notify", "ending"), pairs(["fd", "pipe", "callback", "poll"], ["resume", "cancel", "leave", "exit"])
)
def test_a_paused_job_in_the_child_takes_nothing_from_the_parent(notify: str, ending: str) -> None:
    """The fds are shared: a token that the child took would be lost to the parent, whose job would wait for ever."""
    printed = run(
        f"""
        go_on = threading.Event()
        with Accelerator() as accel, Engine(accel, {notify!r}) as engine, Scheduler() as scheduler, WaitCtx() as ctx:
            accel.register("held", lambda payload: (go_on.wait(), payload)[1])
            by_hand = start_job(engine.call, "held", b"by hand", wait_ctx=ctx)
            jobs = [scheduler.spawn(engine.call, "held", b"%d" % number) for number in range(3)]

            def child():
                if {ending!r} == "resume":
                    by_hand.resume()
                    print(type(by_hand.exception).__name__, "belongs to the parent process" in str(by_hand.exception))
                elif {ending!r} == "cancel":
                    print(by_hand.cancel())
                elif {ending!r} == "leave":
                    scheduler.close()
                    ctx.close()
                    engine.close()
                    accel.close()

            def stop():
                raise KeyboardInterrupt

            scheduler.spawn(stop)
            try:
                scheduler.run()
            except KeyboardInterrupt:
                pass  # all are paused now, in flight
            if {notify in BY_FD}:
                go_on.set()
                select.select(ctx.all_fds(), [], [])  # the token is there, for whoever reads first
            if {ending!r} == "exit":
                sys.stdout.flush()
                if not os.fork():
                    sys.exit(0)  # unwinds all of this in the child
                assert os.wait()[1] == 0
            else:
                in_child(child)
            go_on.set()
            scheduler.run()
            print(*[job.result() for job in jobs])
            while by_hand.paused:
                if {notify in POLLED}:
                    engine.poll()
                by_hand.resume()
            print(by_hand.result())
        """
    )
    expected = ["b'0' b'1' b'2'", "b'by hand'"]
    first = {"resume": ["ClosedError True"], "cancel": ["True"], "leave": [], "exit": []}[ending]
    assert printed.splitlines() == first + expected


def test_a_fork_inside_of_a_job() -> None:
    """The job goes on in the child, where it may use an engine of its own."""
    printed = run(
        """
        with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:
            def child():
                try:
                    engine.sha256(b"")
                except ClosedError as error:
                    print("ClosedError")
                with Accelerator() as own, Engine(own) as engine2, block_pauses():
                    print(engine2.call("echo", b"in the child"))

            def job():
                engine.sha256(b"")
                in_child(child)
                return engine.call("echo", b"in the parent")

            print(scheduler.map(lambda _: job(), [1]))
        """
    )
    assert printed.splitlines() == ["ClosedError", str(b"in the child"), str([b"in the parent"])]


@pytest.mark.parametrize("notify", BY_FD)
def test_a_child_forked_while_others_submit_is_never_stuck_at_a_lock(notify: str) -> None:
    """Two threads keep the engine's and the device's locks busy while a third forks, again and again."""
    printed = run(
        f"""
        stop = threading.Event()
        with Accelerator(depth=4) as accel, Engine(accel, {notify!r}) as engine:
            def work():
                with Scheduler() as scheduler:
                    while not stop.is_set():
                        scheduler.map(engine.call, ["echo"] * 20, [b"x"] * 20)

            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()

            def child():
                try:
                    engine.sha256(b"")
                except ClosedError:
                    with Accelerator() as own, Engine(own, {notify!r}) as engine2:
                        assert engine2.call("echo", b"x") == b"x"

            for _ in range(20):
                in_child(child)
            stop.set()
            for thread in threads:
                thread.join()
            print("done")
        """
    )
    assert printed == "done\n"
