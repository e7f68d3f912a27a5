"""`simaccel serve --trace`: the way of each request through a device process, as Perfetto reads it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from simaccel.bridge import connect
from simaccel.tracing.read import read_trace
from tests.bridge.commands import simaccel
from tests.bridge.device import fresh_address
from tests.bridge.test_bridge_connect import call
from tests.cli.cli import Cli
from tests.tracing.test_explain import queries
from tests.tracing.trace_processor import ask
from tests.watching.watched import Watched


@pytest.fixture(autouse=True)
def _server(fork_server: None) -> None:
    """What devices are forked from."""


def test_the_way_of_each_request_of_each_client(tmp_path: Path) -> None:
    file = tmp_path / "device.pftrace"
    words = ("--latency", "fixed:200us", "--units", "3", "--trace", str(file))
    with Watched(*words) as device:
        device.work(20, "sha256")
        simaccel("inject", "fail:op=echo,every=2", address=device.address)
        device.work(10, "echo")
        report = device.stat()
    client = f"({os.getpid()})"
    names, flows, services, tracks, longest = ask(
        file,
        "select name, count(*) as n from slice group by name",
        "select count(*) as n from flow",
        "select s.dur as ns from slice s join track t on s.track_id = t.id where t.name glob '*, unit *'",
        "select distinct name from track",
        queries()["requests"],
    )
    counts = {row["name"]: row["n"] for row in names}
    assert counts["submit sha256"] == 20
    assert counts["submit echo"] == 10
    assert counts["fetch"] == counts["hand out"] == sum(report["by_op"].values()) == 30
    assert counts["fault fail"] == counts["complete failed"] == report["faults"]["fail"] == 5
    assert flows == [{"n": 30 * 4 + 5}]  # submit, fetch, service, complete, hand out; and each fault is an end, too
    assert len(services) == 30
    assert min(row["ns"] for row in services) >= 200_000
    assert [row["name"].endswith(client) for row in tracks].count(True) == 1  # one name, of two tracks
    assert len(longest) == 10
    for row in longest:
        assert row["client"].endswith(client)
        assert row["op"] in ("sha256", "echo")
        assert row["work_us"] >= 200
        parts_us = row["ring_us"] + row["queue_us"] + row["work_us"] + row["shown_us"]
        assert parts_us <= row["us"] <= parts_us + 3  # each is rounded down
    first, second = read_trace(str(file))
    assert (first.operations, second.operations) == (20, 10)
    assert first.name.endswith(client)
    assert second.failures == {"failed": 5}
    assert sum(first.stages["sha256"][2]) >= 20 * 200_000


def test_without_a_model_too(tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "device.pftrace"
    with Watched("--trace", str(file)) as device:
        device.work(25, "sha256")
    told = cli("explain", str(file))
    assert told.code == 0
    assert ": 25 operations in " in told.text


def test_a_full_disk_in_mid_trace_is_one_line_and_the_device_goes_on(tmp_path: Path) -> None:
    file, errors = tmp_path / "device.pftrace", tmp_path / "errors"
    with Watched("--trace", str(file), errors=errors) as device, connect(device.address) as accel:
        # Only now: the memory of a client is a file, too.
        resource.prlimit(device.process.pid, resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        for _ in range(3_000):
            assert call(accel, "null", b"").error is None
        assert device.stat()["by_op"]["null"] == 3_000
        told = errors.read_text()
        assert told == f"simaccel: {file}: File too large; the trace ends there, and the device goes on\n"
        assert call(accel, "echo", b"on").result == b"on"
    assert errors.read_text() == told
    assert read_trace(str(file))[0].operations > 1_000  # what was written before can be read


@pytest.mark.parametrize("name", ["device.trace", "missing/device.pftrace"])
def test_a_file_that_can_not_be_is_one_line(cli: Cli, tmp_path: Path, name: str) -> None:
    told = cli("serve", "--socket", fresh_address(), "--trace", str(tmp_path / name))
    assert (told.code, told.out, len(told.errors)) == (2, b"", 1)
    assert "--trace" in told.errors[0]
