"""Rows of events: their bytes are what Perfetto's own classes read, and the same compiled and in Python."""

from __future__ import annotations

import importlib.util
import random
import threading
from types import ModuleType

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

import hotpath
from simaccel.tracing import rows as rows_module
from simaccel.tracing.layout import MAX_VALUE, MOST_EVENT_BYTES
from simaccel.tracing.packets import BEGIN, COUNTER, END, INSTANT, event
from simaccel.tracing.rows import Rows
from tests.project.source import ROOT

Row = tuple[int, int, int, int]
KINDS = [(BEGIN, 1, 1), (END, 1, 0), (INSTANT, 300, 2), (COUNTER, 4_000_000_000, 0), (INSTANT, 2, 1 << 31)]


def some_rows(count: int, seed: int) -> list[Row]:
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        head = rng.randrange(len(KINDS))
        time_ns = rng.choice([0, 127, 128, rng.getrandbits(30), rng.getrandbits(62)])
        flow = rng.choice([0, 1, rng.getrandbits(20), (1 << 63) - 1])
        value = rng.choice([0, 1, 127, 128, rng.randrange(MAX_VALUE), MAX_VALUE])
        counts = KINDS[head][0] == COUNTER
        rows.append((time_ns, head, value if counts else flow, 0 if counts else rng.choice([0, 0, 1 << 62])))
    return rows


def bytes_of(module: ModuleType, rows: list[Row]) -> bytes:
    kept = module.Rows()
    for number, kind in enumerate(KINDS):
        assert kept.head(event(*kind), kind[0] == COUNTER) == number
    for row in rows:
        kept.put(*row)
    assert len(kept) == len(rows)
    count, data = kept.take()
    assert (count, len(kept), kept.take()) == (len(rows), 0, (0, b""))
    return bytes(data)


def test_perfetto_reads_what_was_put() -> None:
    rows = some_rows(2_000, seed=1)
    trace = Trace()
    trace.ParseFromString(bytes_of(rows_module, rows))
    assert len(trace.packet) == len(rows)
    for packet, (time_ns, head, extra, more) in zip(trace.packet, rows, strict=True):
        read = packet.track_event
        assert (packet.timestamp, read.type, read.track_uuid, read.name_iid) == (time_ns, *KINDS[head])
        if read.type == COUNTER:
            assert read.counter_value == extra
        else:
            assert list(read.flow_ids) == [flow for flow in (extra, more) if flow]


@pytest.mark.skipif(not hotpath.COMPILED, reason="there is the Python alone")
@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_compiled_and_python_write_the_same(count: int) -> None:
    spec = importlib.util.spec_from_file_location("rows_in_python", ROOT / "simaccel" / "tracing" / "rows.py")
    assert spec is not None
    assert spec.loader is not None
    in_python = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(in_python)
    rows = some_rows(count, seed=2)
    assert bytes_of(rows_module, rows) == bytes_of(in_python, rows)


def test_there_may_be_any_number_of_heads() -> None:
    rows = Rows()
    numbers = [rows.head(event(INSTANT, track, 0), counter=False) for track in range(1, 1_001)]
    assert numbers == list(range(1_000))
    for number in numbers:
        rows.put(number, number, 0)
    trace = Trace()
    trace.ParseFromString(rows.take()[1])
    assert [packet.track_event.track_uuid for packet in trace.packet] == list(range(1, 1_001))


def test_the_longest_event_fits() -> None:
    rows = Rows()
    longest = event(INSTANT, (1 << 35) - 1, (1 << 28) - 1)
    assert len(longest) == MOST_EVENT_BYTES
    rows.put((1 << 63) - 1, rows.head(longest, counter=False), (1 << 63) - 1, (1 << 63) - 1)
    trace = Trace()
    trace.ParseFromString(rows.take()[1])
    assert trace.packet[0].track_event.track_uuid == (1 << 35) - 1


@pytest.mark.usefixtures("frequent_switches")
def test_no_row_is_lost_while_another_thread_takes_them() -> None:
    rows, each = Rows(), 5_000
    heads = [rows.head(event(INSTANT, thread, 0), counter=False) for thread in (1, 2, 3)]

    def put(head: int) -> None:
        for time_ns in range(each):
            rows.put(time_ns, head, 0)

    threads = [threading.Thread(target=put, args=(head,)) for head in heads]
    for thread in threads:
        thread.start()
    taken = [rows.take()]
    while any(thread.is_alive() for thread in threads):
        taken.append(rows.take())
    for thread in threads:
        thread.join()
    taken.append(rows.take())
    assert sum(count for count, _ in taken) == 3 * each
    trace = Trace()
    trace.ParseFromString(b"".join(data for _, data in taken))
    times: dict[int, list[int]] = {thread: [] for thread in (1, 2, 3)}
    for packet in trace.packet:
        times[packet.track_event.track_uuid].append(packet.timestamp)
    assert all(found == list(range(each)) for found in times.values())
