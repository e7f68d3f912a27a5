"""busy_ns: the service time handed out, so that two snapshots tell the use between them."""

from __future__ import annotations

from sim import Accelerator, Request, VirtualClock


def test_busy_ns_counts_service_and_no_latency() -> None:
    clock = VirtualClock()
    with Accelerator(units=2, latency="fixed:30us+fixed:5us", clock=clock, seed=1) as accel:
        before = accel.statistics()
        for _ in range(4):
            request = Request("null", b"")
            accel.prepare(request)
            assert accel.submit(request)
        while clock.jump():
            pass
        after = accel.statistics()
        assert (before.busy_ns, after.busy_ns) == (0, 4 * 30_000)
        assert after.utilisation == after.busy_ns / (2 * clock.now_ns())
