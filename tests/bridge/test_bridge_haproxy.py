"""HAProxy as it is run in production: without root, in a chroot, with threads; and with very many open connections."""

from __future__ import annotations

import os
import resource
import selectors
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.bridge.conftest import require
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.tls import PLAIN, client_context, free_port, load, make_certificate, wait_for_port
from tests.bridge.toolbox import PREFIX, Toolbox, by_op
from tests.limits import WAIT_S

pytestmark = pytest.mark.skipif(bool(PREFIX), reason="Debian's HAProxy uses the system's OpenSSL")

_GLOBAL = """\
global
    ssl-mode-async
    ssl-propquery ?simaccel.offload=yes
    log stderr local0
    {more}
defaults
    timeout client 99s
    timeout server 99s
    timeout connect 99s
frontend tls
    bind 127.0.0.1:{port} ssl crt {pem}
"""

_ANSWERS = """\
    mode http
    http-request return status 200 content-type text/plain string "served by haproxy"
"""

_PASSES_ON = """\
    mode tcp
    default_backend plain
backend plain
    mode tcp
    server plain 127.0.0.1:{backend}
"""


@contextmanager
def _haproxy(tools: Toolbox, address: str, folder: Path, more: list[str], rest: str) -> Iterator[tuple[int, int]]:
    """One process in the foreground; its port and pid. Fails if it ends before it is told to."""
    require("haproxy")
    port = free_port()
    settings = "\n    ".join(more)
    config = folder / "haproxy.cfg"
    config.write_text(_GLOBAL.format(more=settings, port=port, pem=make_certificate(folder, "ec")) + rest)
    log = folder / "haproxy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["haproxy", "-db", "-f", str(config)],
            env=tools.environment(address) | PLAIN,
            stdout=output,
            stderr=output,
        )
        try:
            wait_for_port(port, process)
            yield port, process.pid
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(WAIT_S)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root up")
@pytest.mark.parametrize("threads", [1, 4])
def test_a_worker_without_root_and_without_new_threads(toolbox: Toolbox, tmp_path: Path, threads: int) -> None:
    handshakes = 120
    (tmp_path / "empty").mkdir()
    more = ["user www-data", f"chroot {tmp_path / 'empty'}", f"nbthread {threads}"]
    with (
        DeviceProcess(None, "--allow-user", "www-data", module=SERVE) as device,
        _haproxy(toolbox, device.address, tmp_path, more, _ANSWERS) as (port, pid),
    ):
        load(port, client_context(ssl.TLSVersion.TLSv1_3), handshakes, b"served by haproxy")
        # Without `insecure-fork-wanted` HAProxy sets the limit as soon as its threads run.
        limits = Path(f"/proc/{pid}/limits").read_text()
        names = [(task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()]
        report = device.stat()
        (client,) = report["clients"]
    assert next(line.split()[-3] for line in limits.splitlines() if "processes" in line) == "0"
    assert len(names) == threads
    assert report["by_op"] == {"ecdsa-sign": handshakes, "x25519": handshakes}
    told = client["told"]
    assert told["offloaded"] == 2 * handshakes
    assert told["pauses"] == told["offloaded"] + told["spurious"]
    assert told["software"] == told["blocked"] == told["expired"] == 0


@pytest.mark.parametrize(
    "connections",
    [190, pytest.param(2000, marks=[pytest.mark.alone, pytest.mark.in_ci])],  # which takes some 8,000 fds
)
def test_many_open_connections(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, connections: int) -> None:
    limit = connections + 10
    more = [f"maxconn {limit}", f"maxpipes {limit}"]
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
        # HAProxy refuses numbers above what it expects, which only a higher limit allows to come up.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert most > 4 * limit + 200, f"this test opens many files: the hard limit is {most}"
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        backend = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        rest = _PASSES_ON.format(backend=backend.getsockname()[1])
        port, pid = stack.enter_context(_haproxy(toolbox, device.address, tmp_path, more, rest))
        for accepted in range(0, connections, 10):
            clients = [stack.enter_context(_connected(port)) for _ in range(min(10, connections - accepted))]
            _shake_hands(clients)
            for _ in clients:
                stack.enter_context(backend.accept()[0])
        highest = max(int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir())
        report = device.stat()
    # One for the client, one for the server, one for the pauses: above what HAProxy reserves without `maxpipes`.
    assert highest > 3 * connections > 2 * limit + 100
    assert by_op(report, "ecdsa-sign") == connections


def _connected(port: int) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), WAIT_S)
    return client_context().wrap_socket(raw, do_handshake_on_connect=False)


def _shake_hands(clients: list[ssl.SSLSocket]) -> None:
    """All at a time, in one thread."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.setblocking(False)
            selector.register(client, selectors.EVENT_WRITE, client)
        while selector.get_map():
            ready = selector.select(WAIT_S)
            assert ready, "the watchdog's time is over"
            for key, _ in ready:
                peer: ssl.SSLSocket = key.data
                try:
                    peer.do_handshake()
                    selector.unregister(peer)
                except ssl.SSLWantReadError:
                    selector.modify(peer, selectors.EVENT_READ, peer)
                except ssl.SSLWantWriteError:
                    selector.modify(peer, selectors.EVENT_WRITE, peer)
