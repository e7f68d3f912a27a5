"""Wake times: how long completions wait until their program takes them. Clients count them, and the device believes
them as far as they can be true."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simaccel.bridge import connect, wire
from simaccel.bridge.client.shared import SharedRings
from simaccel.bridge.device.memory import Memory
from simaccel.bridge.device.wake_times import ClientWakes, Wakes
from simaccel.bridge.wire import WAKE_BOUNDS_NS, Layout
from simaccel.cli.commands.stat import lines
from tests.bridge.conftest import require
from tests.bridge.device import DeviceProcess
from tests.bridge.test_bridge_connect import call
from tests.bridge.toolbox import ROOT, Toolbox
from tests.limits import WAIT_S
from tests.waiting import wait_until

LAST = 2**64 - 1


class Raw:
    """A client that reaps when it is told to."""

    def __init__(self, device: DeviceProcess) -> None:
        self.rings = SharedRings(device.address, 4, 4096)
        self._serial = 0

    def complete(self, times: int = 1) -> None:
        """Has null operations done, and leaves their completions on the ring."""
        shown = self.word(wire.AT_CQ_TAIL) + times
        for _ in range(times):
            self._serial += 1
            slot = self.rings.slot(0)
            self.rings.submit(self._serial, wire.Opcode.NULL, 0, 0, slot, 0, slot, 0, slot, 0, 1)
            self.rings.ring_doorbell()
        wait_until(lambda: self.word(wire.AT_CQ_TAIL) == shown)

    def word(self, at: int) -> int:
        return int.from_bytes(self.rings.bytes[at : at + 8], "little")

    def write(self, at: int, value: int) -> None:
        self.rings.bytes[at : at + 8] = value.to_bytes(8, "little")

    def claim(self, bucket: int, samples: int, sum_ns: int) -> None:
        """Writes that there were so many samples in that bucket."""
        self.write(wire.AT_CLIENT_WAKES + 8 * bucket, samples)
        self.write(wire.AT_CLIENT_WAKES + 8 * (len(WAKE_BOUNDS_NS) + 1), sum_ns)


@pytest.fixture
def raw(device: DeviceProcess) -> Iterator[Raw]:
    made = Raw(device)
    yield made
    made.rings.unmap()
    made.rings.close()


def test_both_clients_have_the_same_buckets(tmp_path: Path) -> None:
    require("cc")
    source, program = tmp_path / "bounds.c", tmp_path / "bounds"
    shown = 'for (size_t i = 0; i < BOUNDS; i++) printf("%lu\\n", (unsigned long)bounds_ns[i]);'
    source.write_text(f'#include <stdio.h>\n#include "{ROOT}/provider/wakes.c"\nint main(void) {{ {shown} }}\n')
    subprocess.run(["cc", "-o", str(program), str(source)], check=True, timeout=WAIT_S)
    out = subprocess.run([str(program)], check=True, capture_output=True, text=True, timeout=WAIT_S).stdout
    assert list(map(int, out.split())) == list(WAKE_BOUNDS_NS) == sorted(set(WAKE_BOUNDS_NS))


def test_a_wake_is_from_the_oldest_completion_that_waits_until_it_is_taken(device: DeviceProcess, raw: Raw) -> None:
    raw.complete()
    shown_ns = raw.word(wire.AT_SHOWN_NS)
    raw.complete(2)
    assert raw.word(wire.AT_SHOWN_NS) == shown_ns  # the first one still waits
    assert len(raw.rings.reap()) == 3
    raw.rings.note_wake(shown_ns + 5_000_000)
    raw.complete()
    assert raw.word(wire.AT_SHOWN_NS) > shown_ns
    # A device that has not seen yet that the first three were taken leaves its word. What comes then can't be older.
    raw.write(wire.AT_SHOWN_NS, shown_ns)
    raw.rings.reap()
    raw.rings.note_wake(shown_ns + 5_000_000 + 700)
    report = device.stat()
    assert report["wake"]["samples"] == 2
    assert report["wake"]["sum_ns"] == 5_000_700
    assert report["wake"]["buckets"] == [[0, 1_000, 1], [4_000_000, 5_000_000, 1]]
    assert report["clients"][0]["wake"] == {
        "samples": 2,
        "p50_ns": 1_000,
        "p99_ns": 4_980_000,
        "p999_ns": 4_998_000,
    }
    assert "wake        p50 1 us p99 4,980 us" in list(lines(report))


def test_a_program_in_python_tells_how_soon_it_takes_completions(device: DeviceProcess) -> None:
    with connect(device.address) as accel:
        for _ in range(20):
            call(accel, "echo", b"")
        report = device.stat()
        (client,) = report["clients"]
        assert client["wake"]["samples"] == report["wake"]["samples"]
        assert 20 <= client["wake"]["samples"] <= client["completed"]
        assert 0 < client["wake"]["p50_ns"] <= client["wake"]["p99_ns"] <= client["wake"]["p999_ns"]
    wait_until(lambda: not device.stat()["clients"])
    after = device.stat()["wake"]
    assert after["samples"] >= report["wake"]["samples"]  # what has gone stays in the sums
    assert sum(count for _, _, count in after["buckets"]) == after["samples"]


@pytest.mark.parametrize("mode", ["fd", "callback", "blocking"])
def test_a_program_with_the_provider_tells_how_soon_it_takes_completions(
    toolbox: Toolbox, device: DeviceProcess, mode: str
) -> None:
    toolbox.run_jobs(device.address, mode, 8, 60, "ecdsa,x25519")
    wait_until(lambda: not device.stat()["clients"])
    report = device.stat()
    assert 0 < report["wake"]["samples"] <= report["completed"]
    assert 0 < report["wake"]["sum_ns"] < report["uptime_ns"]


def test_of_an_older_client_nothing_is_known(device: DeviceProcess, raw: Raw) -> None:
    raw.complete(3)
    assert len(raw.rings.reap()) == 3
    report = device.stat()
    assert report["clients"][0]["wake"] is report["wake"] is None
    assert "wake        unknown: no program has told how soon it takes what is complete" in list(lines(report))


def test_with_an_older_device_a_client_tells_nothing(raw: Raw) -> None:
    raw.complete()
    raw.write(wire.AT_SHOWN_NS, 0)  # as such a device leaves it
    raw.rings.reap()
    raw.rings.note_wake(2**62)
    assert not any(raw.rings.bytes[wire.AT_CLIENT_WAKES : wire.PAGE_BYTES])


def test_a_device_that_says_any_time_harms_no_client(raw: Raw) -> None:
    for shown_ns in (LAST, 1):
        raw.complete()
        raw.write(wire.AT_SHOWN_NS, shown_ns)
        for at in range(wire.AT_CLIENT_WAKES, wire.PAGE_BYTES, 8):
            raw.write(at, LAST)
        raw.rings.reap()
        raw.rings.note_wake(2**62)
    assert raw.word(wire.AT_CLIENT_WAKES) == 2


def test_what_a_client_claims_is_believed_as_far_as_it_can_be_true(device: DeviceProcess, raw: Raw) -> None:
    raw.complete(3)
    raw.rings.reap()
    raw.claim(10, 3, 30_000)
    assert device.stat()["wake"]["sum_ns"] == 30_000
    for bucket, samples, sum_ns in ((10, LAST, LAST), (10, 4, 40_000), (10, 2, 20_000), (10, 0, 0), (0, LAST, LAST)):
        raw.claim(bucket, samples, sum_ns)  # more than it had completions, or less than before
        report = device.stat()
        assert report["wake"]["buckets"] == [[8_000, 10_000, 3]]
        assert report["wake"]["sum_ns"] == 30_000
        assert report["clients"][0]["wake"]["samples"] == 3
        raw.claim(0, 0, 0)
    raw.complete(1)
    raw.claim(10, 3, 0)
    raw.claim(len(WAKE_BOUNDS_NS), 1, LAST)  # as long as the connection has lasted, at most
    report = device.stat()
    assert report["wake"]["buckets"] == [[8_000, 10_000, 3], [10_000_000_000, None, 1]]
    assert report["wake"]["sum_ns"] <= 3 * 10_000 + max(10_000_000_000, report["uptime_ns"])
    assert report["wake"]["p99_ns"] == report["wake"]["p999_ns"] == 10_000_000_000
    raw.rings.hang_up()
    wait_until(lambda: not device.stat()["clients"])
    assert device.stat()["wake"]["samples"] == 4  # no more than it had completions


def test_the_others_are_not_touched_by_one_that_lies(device: DeviceProcess, raw: Raw) -> None:
    for at in range(wire.AT_CLIENT_WAKES, wire.PAGE_BYTES, 8):
        raw.write(at, LAST)
    with connect(device.address) as accel:
        call(accel, "echo", b"")
        report = device.stat()
    liar, other = report["clients"]
    assert liar["wake"] is None
    assert other["wake"]["samples"] == report["wake"]["samples"] > 0


def test_the_percentiles_of_a_histogram() -> None:
    counts = [0] * (len(WAKE_BOUNDS_NS) + 1)
    counts[1], counts[2] = 50, 50  # 1,000 to 1,200 and 1,200 to 1,500 ns
    found = Wakes(counts, 125_000).summary()
    assert found == {"samples": 100, "p50_ns": 1_200, "p99_ns": 1_494, "p999_ns": 1_499}
    assert Wakes.sum([Wakes(counts, 1), Wakes(), Wakes(counts, 2)]).sum_ns == 3
    assert Wakes().to_dict() is None


def test_a_sum_that_was_read_between_two_writes_is_brought_into_the_bounds() -> None:
    memory = Memory(Layout.of(4, 4096))
    memory.close_fd()
    wakes = ClientWakes(memory)
    memory.complete([(1, 0, 0, 1, 1)])
    memory.bytes[wire.AT_CLIENT_WAKES + 80] = 1  # one sample in bucket 10, and no sum yet
    assert wakes.read() == Wakes(wakes.read().counts, 8_000)
    assert wakes.read().summary() == {"samples": 1, "p50_ns": 9_000, "p99_ns": 9_980, "p999_ns": 9_998}
