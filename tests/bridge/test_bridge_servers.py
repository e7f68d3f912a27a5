"""Real programs on the device: HAProxy asynchronously, nginx and curl blocking."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bridge.conftest import require
from tests.bridge.device import DeviceProcess
from tests.bridge.haproxy_config import ASYNC, LOGS, haproxy_config
from tests.bridge.tls import (
    PLAIN,
    client_context,
    client_hello,
    free_port,
    get,
    load,
    make_certificate,
    vanish,
    wait_for_port,
)
from tests.bridge.toolbox import PREFIX, Toolbox, by_op, run
from tests.limits import WAIT_S
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(bool(PREFIX), reason="Debian's servers use the system's OpenSSL")


@contextmanager
def haproxy(
    toolbox: Toolbox, address: str, folder: Path, kind: str, *, asynchronous: bool = True, **settings: object
) -> Iterator[tuple[int, int]]:
    """HAProxy as master and worker, with ssl-mode-async unless it is to block; its port and the master's pid."""
    require("haproxy")
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(haproxy_config(port, make_certificate(folder, kind), LOGS, *([ASYNC] if asynchronous else [])))
    environment = toolbox.environment(address, **settings) | PLAIN
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen(["haproxy", "-W", "-f", str(config)], env=environment, stdout=log, stderr=log)
        try:
            wait_for_port(port, process)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(WAIT_S)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])
@pytest.mark.parametrize(("kind", "op"), [("rsa", "rsa-sign"), ("ec", "ecdsa-sign")])
def test_haproxy_under_load(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, kind: str, op: str, version: ssl.TLSVersion
) -> None:
    with haproxy(toolbox, device.address, tmp_path, kind) as (port, _):
        load(port, client_context(version), 200, b"served by haproxy")
        report = device.stat()
    assert by_op(report, op) >= 200
    assert by_op(report, "x25519") >= 200
    assert report["failed"] == report["in_flight"] == 0


@pytest.mark.parametrize(
    "rounds",
    # It opens connections as fast as the machine can.
    [10, pytest.param(100, marks=[pytest.mark.alone, pytest.mark.in_ci])],
)
def test_clients_that_vanish_half_way_leave_nothing_behind(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, rounds: int
) -> None:
    hello, at_once, others = client_hello(), 48, 8
    with haproxy(toolbox, device.address, tmp_path, "rsa", entries=16) as (port, master):
        get(port, client_context(), b"served by haproxy")
        worker = _children(master)[0]
        before = _fds(worker)
        for _ in range(rounds):
            signed = by_op(device.stat(), "rsa-sign")  # the key exchange comes before it, and says nothing of it
            vanish(port, hello, at_once, lambda: by_op(device.stat(), "rsa-sign") > signed)  # noqa: B023 - called here
            load(port, client_context(), others, b"served by haproxy")
        wait_until(lambda: device.stat()["in_flight"] == 0)
        # HAProxy closes connections when it comes to them; in software as well it then has as many fds as before.
        wait_until(lambda: _fds(worker) <= before)
        load(port, client_context(), 32, b"served by haproxy")
        report = device.stat()
    # The other signatures were for clients that had gone.
    assert by_op(report, "rsa-sign") >= 1 + rounds * others + 32 + rounds
    assert report["failed"] == 0


def test_haproxy_survives_a_reload(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    with haproxy(toolbox, device.address, tmp_path, "ec") as (port, master):
        for _ in range(3):
            load(port, client_context(), 32, b"served by haproxy")
            old = set(_children(master))
            os.kill(master, signal.SIGUSR2)
            # The old worker may reset connections that it has not accepted when it ends. That is no matter of ours.
            wait_until(lambda: (new := set(_children(master))) and not new & old)  # noqa: B023 - called here
        load(port, client_context(), 32, b"served by haproxy")
        report = device.stat()
    assert by_op(report, "ecdsa-sign") >= 128
    assert report["connects"] >= 2


def test_haproxy_goes_on_when_the_device_is_killed(toolbox: Toolbox, tmp_path: Path) -> None:
    device = DeviceProcess()
    try:
        with haproxy(toolbox, device.address, tmp_path, "rsa") as (port, _):
            for _ in range(3):
                load(port, client_context(), 64, b"served by haproxy")
                device.kill()
                load(port, client_context(), 64, b"served by haproxy")
                device = DeviceProcess(device.address)
                while not device.stat()["by_op"].get("rsa-sign"):
                    get(port, client_context(), b"served by haproxy")
    finally:
        device.close()


_NGINX = """\
user root;
worker_processes 2;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {pem};
        ssl_certificate_key {pem};
        location / {{ return 200 "served by nginx"; }}
    }}
}}
"""


@pytest.mark.parametrize(("kind", "op"), [("rsa", "rsa-sign"), ("ec", "ecdsa-sign")])
def test_nginx_with_forked_workers(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, kind: str, op: str) -> None:
    require("nginx")
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(_NGINX.format(folder=tmp_path, port=port, pem=make_certificate(tmp_path, kind)))
    # nginx hands no environment on to its workers, but OpenSSL has read its configuration by then.
    environment = toolbox.environment(device.address) | PLAIN
    process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(tmp_path / "error.log")], env=environment)
    try:
        wait_for_port(port, process)
        load(port, client_context(), 100, b"served by nginx")
        report = device.stat()
    finally:
        process.terminate()
        process.wait(WAIT_S)
    assert by_op(report, op) >= 100
    assert report["failed"] == 0


def test_curl_exchanges_keys_on_the_device(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    require("curl", "haproxy")
    with haproxy(toolbox, device.address, tmp_path, "ec") as (port, _):
        before = by_op(device.stat(), "x25519")
        url = f"https://127.0.0.1:{port}/"
        done = run(["curl", "-sSk", url], toolbox.environment(device.address))
        report = device.stat()
    assert done.stdout == b"served by haproxy"
    # One by the server, one by curl.
    assert by_op(report, "x25519") == before + 2


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _fds(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
