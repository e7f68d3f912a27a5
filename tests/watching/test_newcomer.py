"""What docs/seeing.md promises a newcomer: the page says why HAProxy is slow, a trace where a handshake waited."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from simaccel.cli.commands.openssl import configuration
from tests.bridge.conftest import require
from tests.bridge.haproxy_config import ASYNC, haproxy_config
from tests.bridge.tls import PLAIN, client_context, free_port, load, make_certificate, wait_for_port
from tests.bridge.toolbox import PREFIX, Toolbox
from tests.cli.cli import Cli
from tests.limits import PATIENT, WAIT_S
from tests.tracing.test_explain import queries
from tests.tracing.trace_processor import ask
from tests.watching.browser import Browser
from tests.watching.watched import TOKEN, Watched, act

pytestmark = [
    pytest.mark.in_ci,
    pytest.mark.xdist_group("page"),
    pytest.mark.skipif(bool(PREFIX), reason="Debian's HAProxy uses the system's OpenSSL"),
]


@contextmanager
def haproxy(folder: Path, toolbox: Toolbox, address: str, entries: int) -> Iterator[subprocess.Popen[bytes]]:
    """HAProxy on the device with a ring of so many entries, and clients that keep it busy with handshakes."""
    require("haproxy")
    port = free_port()
    settings, config = folder / "haproxy.cfg", folder / "openssl.cnf"
    settings.write_text(haproxy_config(port, make_certificate(folder, "rsa"), ASYNC))
    config.write_text(configuration(toolbox.provider, address, {"entries": entries, **PATIENT}))
    environment = PLAIN | {"OPENSSL_CONF": str(config)}
    ended = threading.Event()

    def handshakes() -> None:
        while not ended.is_set():
            load(port, client_context(), 24, b"served", at_once=24)

    with subprocess.Popen(["haproxy", "-db", "-q", "-f", str(settings)], env=environment) as server:
        try:
            wait_for_port(port, server)
            with ThreadPoolExecutor(1) as pool:
                served = pool.submit(handshakes)
                try:
                    yield server
                finally:
                    ended.set()
                served.result(WAIT_S)
        finally:
            server.terminate()


def test_a_newcomer_sees_why_haproxy_is_slow_and_where_its_longest_handshake_waited(
    fork_server: None, browser: Browser, toolbox: Toolbox, tmp_path: Path, cli: Cli
) -> None:
    """It takes many handshakes at once, and its ring has 4 entries."""
    trace = tmp_path / "device.pftrace"
    words = ("--latency", "fixed:300us", "--page", "127.0.0.1:0", "--page-token", TOKEN, "--trace", str(trace))
    with Watched(*words) as device:
        browser.open(device.urls["page"])
        assert act(device, "inject\ndelay:by=20ms") == 200  # so that four handshakes are not over at once
        with haproxy(tmp_path, toolbox, device.address, 4) as server:
            told = browser.wait("the advice", lambda: re.search(".*haproxy.*", browser.text("advice")))[0]
            assert told.startswith(f"The ring of haproxy ({server.pid}) has 4 entries, and was full ")
            assert "entries=64" in told
            (cells,) = [row for row in browser.table("clients") if row[0] == f"haproxy ({server.pid})"]
            assert cells[2].endswith("of 4")
        browser.open("about:blank")

    (stages,) = ask(trace, queries()["server"])
    assert [row["op"] for row in stages] == ["x25519", "rsa-sign"]
    assert {row["client"] for row in stages} == {f"haproxy ({server.pid})"}
    first, second = stages
    assert first["at_us"] == 0
    for row in stages:
        assert row["work_us"] >= 20_300  # with the fault's delay
    # Each is cut to whole microseconds.
    ended_us = [row["at_us"] + row["ring_us"] + row["queue_us"] + row["work_us"] + row["shown_us"] for row in stages]
    assert second["at_us"] >= ended_us[0]
    assert 0 <= second["handshake_us"] - ended_us[1] <= 5

    told_by_command = cli("explain", str(trace))
    assert told_by_command.code == 0
    assert f"haproxy ({server.pid})" in told_by_command.text
    assert re.search(
        r"the ring was full for \d+% of the time: what did not fit waited in the program", told_by_command.text
    )
    begins = re.findall(r"^rsa-sign, request [\d,]+, at (\S+)", told_by_command.text, re.MULTILINE)
    assert not [
        begin for begin in begins if re.fullmatch(r"[\d,]{3,}s", begin)
    ]  # they count from the begin of the trace
