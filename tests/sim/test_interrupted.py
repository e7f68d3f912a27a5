"""Ctrl-C while the user's own thread hands out completions: everybody is told, and then it comes out."""

from __future__ import annotations

import pytest

from sim import Accelerator, Delivery, Request, VirtualClock


@pytest.mark.parametrize("polled", [False, True])
def test_a_ctrl_c_in_a_handler_comes_out_when_all_are_told(polled: bool) -> None:
    told: list[bytes] = []

    def handler(request: Request) -> Delivery | None:
        told.append(request.payload)
        if len(told) == 1:
            raise KeyboardInterrupt
        return None

    def on_space(slots: int) -> None:
        told.append(b"%d slots" % slots)

    clock = VirtualClock()
    with Accelerator(clock=clock, seed=1) as accel:
        accel.attach(on_space, polled=polled)
        for payload in (b"a", b"b", b"c"):
            request = Request("echo", payload, on_complete=handler)
            accel.prepare(request)
            assert accel.submit(request)
        if polled:
            clock.advance(1)
            with pytest.raises(KeyboardInterrupt):
                accel.poll()
        else:
            with pytest.raises(KeyboardInterrupt):
                clock.advance(1)
        assert sorted(told) == [b"3 slots", b"a", b"b", b"c"]
        assert accel.in_flight == 0
        accel.detach(on_space)
