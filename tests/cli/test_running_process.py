"""What `simaccel check --pid` reads of a process, with this one in place of a program that has the provider."""

from __future__ import annotations

import ctypes
import dataclasses
import mmap
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from simaccel.bridge import NoDeviceError
from simaccel.bridge.wire import COUNTS, MAGIC
from simaccel.cli.openssl_setup.diagnosis import diagnose
from simaccel.cli.openssl_setup.running_process import Process
from tests.waiting import wait_until

Say = Callable[..., None]


@pytest.fixture
def say() -> Iterator[Say]:
    """Maps a report into this process, as the provider does."""
    with ExitStack() as mapped:

        def report(text: str, *, at_ns: int | None = None, pid: int | None = None, contents: bytes = b"") -> None:
            at_ns, pid = at_ns or time.monotonic_ns(), pid or os.getpid()
            fd = os.memfd_create(f"simaccel-status {pid} {at_ns} {text}")
            os.write(fd, contents.ljust(16, b"\0"))
            mapped.callback(mmap.mmap(fd, 16, mmap.MAP_PRIVATE, mmap.PROT_READ).close)
            os.close(fd)

        yield report


def me() -> Process:
    return Process.of(os.getpid())


def test_without_a_provider_there_is_no_report() -> None:
    assert me().report is None
    assert me().module is None
    assert me().counts() is None


def test_of_two_reports_the_later_one_counts(say: Say) -> None:
    for first, second in ((1, 2), (4, 3)):
        say(f"failed: {first}", at_ns=first)
        say(f"failed: {second}", at_ns=second)
        report = me().report
        assert report is not None
        assert report.text == str(max(first, second))


def test_what_it_says_is_for_no_terminal(say: Say) -> None:
    say("failed: \x1b[2J no device at @\u00fc (deleted)")
    report = me().report
    assert report is not None
    assert (report.state, report.text) == ("failed", "?[2J no device at @\u00fc (deleted)")


def test_a_name_that_is_no_report_is_none(say: Say) -> None:
    for text in ("failed", "FAILED: x", ": x"):
        say(text)
    assert me().report is None


def test_the_counts_are_where_the_page_says(say: Say) -> None:
    values = (ctypes.c_uint64 * len(COUNTS))(*range(100, 100 + len(COUNTS)))
    say("loaded: @x", contents=struct.pack("<IIQ", MAGIC, len(COUNTS), ctypes.addressof(values)))
    assert me().counts() == {name: 100 + number for number, name in enumerate(COUNTS)}
    # Fewer, as of an older provider.
    say("loaded: @x", contents=struct.pack("<IIQ", MAGIC, 2, ctypes.addressof(values)))
    assert me().counts() == {"offloaded": 100, "software": 101}
    assert diagnose(me()).facts[-1] == ("counts", "100 on a device, 101 in software")


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        struct.pack("<IIQ", MAGIC + 1, 2, 4096),
        struct.pack("<IIQ", MAGIC, 0, 4096),
        struct.pack("<IIQ", MAGIC, 65, 4096),
        struct.pack("<IIQ", MAGIC, 2, 8),
        struct.pack("<IIQ", MAGIC, 2, 2**64 - 8),
    ],
)
def test_a_page_that_can_not_be_right_has_no_counts(say: Say, contents: bytes) -> None:
    say("loaded: @x", contents=contents)
    assert me().counts() is None


def test_a_report_of_before_a_fork_is_not_ours(say: Say) -> None:
    say("connected: @x", pid=os.getppid())
    assert me().inherited
    verdict = diagnose(me())
    assert not verdict.good


def fails(address: str) -> dict[str, object]:
    raise NoDeviceError(f"no device at {address}")


def test_a_device_that_has_gone_without_its_notice(say: Say) -> None:
    say("connected: @x")
    for ask, why in (
        (fails, "no device at @x"),
        (lambda _: {"clients": []}, "another device runs at @x now"),
        (lambda _: {"clients": [{"pid": os.getppid()}]}, "another device runs at @x now"),
    ):
        verdict = diagnose(me(), ask)
        assert not verdict.good
        assert verdict.sentence == f"it was connected, and will notice the end at its next operation: {why}"


def test_a_device_that_can_not_see_pids(say: Say) -> None:
    say("connected: @x")
    verdict = diagnose(me(), lambda _: {"clients": [{"pid": 0}]})
    assert verdict.good
    assert "can't tell its clients apart" in verdict.sentence


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have another network")
def test_a_device_in_another_network(say: Say) -> None:
    with subprocess.Popen(["unshare", "--net", "sleep", "1000"]) as there:
        try:
            wait_until(lambda: Path(f"/proc/{there.pid}/comm").read_text() == "sleep\n" or there.poll() is not None)
            if there.poll() is not None:
                pytest.skip("this container allows no other network")
            assert not Process.of(there.pid).in_our_network
            assert me().in_our_network
            say("connected: @x")
            verdict = diagnose(dataclasses.replace(Process.of(there.pid), report=me().report, pids=me().pids), fails)
        finally:
            there.kill()
    assert verdict.good
    assert "network namespace of its own" in verdict.sentence
