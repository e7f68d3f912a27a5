"""What clients count about themselves. It is shown by `simaccel stat`, and in a line at exit."""

from __future__ import annotations

import json
import os
import re
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from sim.request import Delivery, Request
from simaccel.bridge import connect, wire
from simaccel.bridge.client.shared import SharedRings
from simaccel.bridge.device.endpoint import Endpoint, EndpointCounts
from simaccel.bridge.device.memory import Memory
from simaccel.bridge.wire import Layout
from simaccel.cli.commands.stat import lines
from tests.bridge.conftest import require
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.test_bridge_servers import haproxy
from tests.bridge.tls import client_context, load, make_certificate, s_server
from tests.bridge.toolbox import PREFIX, Toolbox, run
from tests.limits import WAIT_S
from tests.waiting import wait_until

HANDSHAKES = 40


def _told(device: DeviceProcess) -> dict[str, int]:
    """Of the only client."""
    (client,) = device.stat()["clients"]
    told: dict[str, int] = client["told"]
    assert set(told) == set(wire.COUNTS)
    return told


def _assert_only_paused(told: dict[str, int], report: dict[str, Any]) -> None:
    assert told["offloaded"] == sum(report["by_op"].values()) > 0
    assert told["blocked"] == told["software"] == told["unsupported"] == told["orphaned"] == told["full"] == 0
    # Each operation pauses until it is done; each resume that came too early is one pause more.
    assert told["pauses"] == told["offloaded"] + told["spurious"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])
def test_s_server_with_async_is_seen_to_pause(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    flag = {ssl.TLSVersion.TLSv1_2: "-tls1_2", ssl.TLSVersion.TLSv1_3: "-tls1_3"}[version]
    plain = {name: value for name, value in toolbox.environment("").items() if name != "OPENSSL_CONF"}
    with s_server(toolbox, device.address, make_certificate(tmp_path, "rsa"), "-WWW") as port:
        run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", flag, "-brief"], plain)
        told = _told(device)
        report = device.stat()
    _assert_only_paused(told, report)
    says = next(line for line in lines(report) if line.startswith("  says"))
    assert f"{told['pauses']:,} pauses, {told['spurious']:,} spurious resumes, 0 waited for by a thread" in says


def test_resumes_that_come_too_early_can_be_seen(toolbox: Toolbox, tmp_path: Path) -> None:
    plain = {name: value for name, value in toolbox.environment("").items() if name != "OPENSSL_CONF"}
    with (
        DeviceProcess(None, "--latency", "fixed:20ms", module=SERVE) as device,
        s_server(toolbox, device.address, make_certificate(tmp_path, "rsa")) as port,
    ):

        def one_came_too_early() -> bool:
            # Without -WWW s_server resumes a job again and again, and never looks at its fd.
            run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-brief"], plain)
            return _told(device)["spurious"] > 0

        wait_until(one_came_too_early)
        _assert_only_paused(_told(device), device.stat())


@pytest.mark.skipif(bool(PREFIX), reason="Debian's HAProxy uses the system's OpenSSL")
@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "blocking"])
def test_whether_haproxy_pauses_or_blocks_can_be_seen(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, asynchronous: bool
) -> None:
    with haproxy(toolbox, device.address, tmp_path, "rsa", asynchronous=asynchronous) as (port, _):
        load(port, client_context(), HANDSHAKES, b"served by haproxy")
        wait_until(lambda: device.stat()["in_flight"] == 0)
        told, report = _told(device), device.stat()
    assert told["offloaded"] >= 2 * HANDSHAKES
    if asynchronous:
        _assert_only_paused(told, report)
    else:
        assert told["blocked"] == told["offloaded"] == sum(report["by_op"].values())
        assert told["pauses"] == told["spurious"] == told["software"] == told["orphaned"] == 0


@pytest.mark.parametrize(
    ("fault", "counts"),
    [("fail:op=rsa-sign,every=3", ("software", "failed")), ("corrupt:op=ecdsa-sign,every=3", ("software", "damaged"))],
)
def test_what_is_done_in_software_can_be_seen(toolbox: Toolbox, fault: str, counts: tuple[str, ...]) -> None:
    with DeviceProcess(None, "--fault", fault, module=SERVE) as device:
        counted = toolbox.run_jobs(device.address, "fd", 8, 120)
        wait_until(lambda: not device.stat()["clients"])
        told = device.stat()["told"]
    assert all(told[name] > 0 for name in counts)
    assert {name: told[name] for name in wire.COUNTS if name != "connects"} == {
        name: counted[name] for name in wire.COUNTS if name != "connects"
    }


@pytest.mark.parametrize("mode", ["fd", "callback"])
def test_jobs_given_up_and_full_rings_can_be_seen_after_their_program_has_gone(
    toolbox: Toolbox, device: DeviceProcess, mode: str
) -> None:
    counted = toolbox.run_jobs(device.address, mode, 32, 300, "rsa-pkcs1,ecdsa", "3", entries=16)
    wait_until(lambda: not device.stat()["clients"])
    told = device.stat()["told"]
    assert told["orphaned"] == counted["orphaned"] > 0
    assert told["full"] == counted["full"] > 0


def test_a_client_that_says_what_can_not_be_harms_nobody(device: DeviceProcess) -> None:
    rings = SharedRings(device.address, 4, 4096)
    last = 2**64 - 1
    for at in range(wire.AT_CLIENT_COUNTED, wire.PAGE_BYTES, 8):
        rings.bytes[at : at + 8] = last.to_bytes(8, "little")
    report = device.stat()
    assert report["clients"][0]["told"] == dict.fromkeys(wire.COUNTS, last)
    assert report["told"] == dict.fromkeys(wire.COUNTS, last)
    assert any(f"{last:,} pauses" in line for line in lines(report))
    rings.close()
    wait_until(lambda: not device.stat()["clients"])
    assert device.stat()["told"]["pauses"] == last


def test_what_a_client_sees_complete_is_counted() -> None:
    """Completions are shown first. A report that comes just then waits until they are counted."""
    shown, count = threading.Event(), threading.Event()

    class Stopped(Memory):
        """Its thread gets no core for some time when it has shown them."""

        __slots__ = ()

        def complete(self, completions: list[tuple[int, int, int, int, int]]) -> int:
            failed = super().complete(completions)
            shown.set()
            count.wait()
            return failed

    memory = Stopped(Layout.of(4, 4096))
    memory.close_fd()
    endpoint = Endpoint(memory, os.eventfd(0, os.EFD_NONBLOCK))
    endpoint.fetched(2)
    told: list[EndpointCounts] = []
    threads = [
        threading.Thread(target=endpoint.complete, args=([(1, 0, 0, 1, 1), (2, -1, 0, 1, 1)],)),
        threading.Thread(target=lambda: told.append(endpoint.counts())),
    ]
    threads[0].start()
    shown.wait()
    threads[1].start()
    for _ in range(10_000):  # in which it would have counted if it did not wait
        os.sched_yield()
    count.set()
    for thread in threads:
        thread.join()
    endpoint.close()
    assert told == [EndpointCounts(submitted=2, completed=1, failed=1, interrupts=0, outstanding=0)]


def test_a_client_that_keeps_no_counts_is_shown_without(device: DeviceProcess) -> None:
    rings = SharedRings(device.address, 4, 4096)
    report = device.stat()
    assert report["clients"][0]["told"] == report["told"] == {}
    assert not any("say" in line for line in lines(report))
    rings.close()


def test_a_program_in_python_tells_what_it_knows(device: DeviceProcess) -> None:
    with connect(device.address, depth=4) as accel:
        assert _some(device) == {"full": 0, "orphaned": 0, "stray": 0}
        nobody = Request("sha256", b"", on_complete=lambda _: Delivery.ORPHANED)
        accel.prepare(nobody)
        assert accel.submit(nobody)
        wait_until(lambda: _some(device)["orphaned"] == 1)
        assert accel.statistics().orphaned == 1


def _some(device: DeviceProcess) -> dict[str, int]:
    told: dict[str, int] = device.stat()["clients"][0]["told"]
    return told


def test_a_line_at_exit_with_trace(toolbox: Toolbox, device: DeviceProcess) -> None:
    process = toolbox.start_jobs(device.address, "fork", 4, 60, "ecdsa,x25519", trace="yes")
    out, err = process.communicate(timeout=WAIT_S)
    counted = json.loads(out)
    said = re.findall(r"^simaccel\[(\d+)\]: at exit: (.*)$", err, flags=re.MULTILINE)
    # The child of its fork leaves by _exit, which no library hears of.
    ((pid, text),) = said
    assert int(pid) == process.pid
    assert text == ", ".join(f"{counted[name]} {name}" for name in wire.COUNTS)
    assert counted["blocked"] == 60
    assert counted["offloaded"] == 120


_FORKS = """
import os, ssl, sys

def serve(times):
    for _ in range(times):
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl._create_unverified_context().wrap_bio(there, back)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
        server = context.wrap_bio(back, there, server_side=True)
        for peer in (client, server):
            try:
                peer.do_handshake()
            except ssl.SSLWantReadError:
                pass

serve(2)
if os.fork() == 0:
    serve(3)
    sys.exit(0)
os.wait()
"""
"""The server's side of handshakes, each with one key exchange and one signature, before and after a fork."""


@pytest.mark.skipif(bool(PREFIX), reason="Debian's Python uses the system's OpenSSL")
def test_a_child_counts_for_itself(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    require("/usr/bin/python3")
    pem = make_certificate(tmp_path, "ec")
    done = run(["/usr/bin/python3", "-c", _FORKS, str(pem)], toolbox.environment(device.address, trace="yes"))
    said = re.findall(r"at exit: (\d+) offloaded, .* (\d+) connects", done.stderr.decode())
    assert said == [("6", "1"), ("4", "1")]
    assert sum(device.stat()["by_op"].values()) == 10
    wait_until(lambda: not device.stat()["clients"])
    assert device.stat()["told"]["blocked"] == 10
