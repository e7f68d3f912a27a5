"""The C programs of the benchmarks run. Most of them include headers of the provider, or speak its protocol."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from benchmarks.bridge.processes import ROOT, compile_c, compile_null_client
from tests.bridge.device import DeviceProcess
from tests.bridge.tls import PLAIN, make_certificate
from tests.bridge.toolbox import Toolbox, by_op
from tests.limits import WAIT_S
from tests.waiting import wait_until

BENCHMARKS = ROOT / "benchmarks"
PROGRAMS = sorted(source.stem for source in BENCHMARKS.glob("**/*.c") if "int main(" in source.read_text())


def run_batch_client(toolbox: Toolbox, folder: Path) -> None:
    """A device does its null operations, until it is told to end."""
    client = compile_null_client(folder / "client", toolbox.provider.parent)
    with DeviceProcess() as device:
        with Popen([client, device.address, "64", str(WAIT_S)], stdout=PIPE, text=True) as process:
            wait_until(lambda: by_op(device.stat(), "null") >= 1_000 or process.poll() is not None)
            process.terminate()
            out, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0
        assert int(out) > 0
        assert device.stat()["violations"] == 0


def run_tls_client(toolbox: Toolbox, folder: Path) -> None:
    """A server of libssl takes its handshakes and requests."""
    source = BENCHMARKS / "bridge" / "tls_client.c"
    client = compile_c(source, folder / "client", str(source.with_name("tls13.c")), "-lcrypto")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(make_certificate(folder, "rsa"))
    enough = threading.Event()
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):  # the listener is shut down
            while True:
                answer(listener.accept()[0])

    def answer(raw: socket.socket) -> None:
        with suppress(OSError), raw, context.wrap_socket(raw, server_side=True) as peer:  # the client may end now
            asked.append(peer.recv(100))
            peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            if len(asked) == 20:
                enough.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        port = listener.getsockname()[1]
        with Popen([client, str(port), "4", str(WAIT_S)], stdout=PIPE, text=True) as process:
            assert enough.wait(WAIT_S)
            process.terminate()
            out, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == 0
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
    served, failed, _ = out.split()
    assert int(served) >= 20 - 4
    assert failed == "0"
    assert set(asked) == {b"GET / HTTP/1.0\r\n\r\n"}


def run_handshakes(toolbox: Toolbox, folder: Path) -> None:
    """Each way of it prints what a handshake takes of the processor and of the thread."""
    source = BENCHMARKS / "post_quantum" / "handshakes.c"
    flags = toolbox.openssl.flags
    program = compile_c(source, folder / "handshakes", *flags, "-lssl", "-lcrypto")
    pem = make_certificate(folder, "ec")
    with DeviceProcess() as device:
        environments = {"blocking": PLAIN, "async": toolbox.environment(device.address, fallback="no")}
        for way, environment in environments.items():
            command = [str(program), str(pem), "X25519", way, "0"]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
            assert (done.returncode, done.stderr) == (0, "")
            cpu_us, kept_us = map(float, done.stdout.split())
            assert cpu_us > 0
            assert kept_us > 0
        assert by_op(device.stat(), "ecdsa-sign") >= 100


RUNS: dict[str, Callable[[Toolbox, Path], None]] = {
    "batch_client": run_batch_client,
    "tls_client": run_tls_client,
    "handshakes": run_handshakes,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_runs(toolbox: Toolbox, tmp_path: Path, name: str) -> None:
    """A program that is not in RUNS fails, too."""
    RUNS[name](toolbox, tmp_path)
