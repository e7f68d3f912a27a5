"""Certificates, ports, and a load client for the tests of TLS servers."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from subprocess import PIPE, Popen

from tests.bridge.toolbox import PATH, Toolbox, run
from tests.keys import rsa_bytes
from tests.limits import WAIT_S
from tests.waiting import wait_until

PLAIN = {"PATH": PATH}
"""The environment of programs that do without the device."""


def make_certificate(folder: Path, kind: str, name: str | None = None) -> Path:
    """A self-signed certificate with its key in one PEM file, made in software."""
    name = name or kind
    key, certificate, both = folder / f"{name}.key", folder / f"{name}.crt", folder / f"{name}.pem"
    key.write_bytes(_key(kind))
    request = ["openssl", "req", "-x509", "-new", "-key", str(key), "-days", "2", "-subj", f"/CN={name}"]
    run([*request, "-addext", "subjectAltName=DNS:localhost", "-out", str(certificate)], PLAIN)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both


@cache
def _key(kind: str) -> bytes:
    """As PEM: one of each kind for all tests of this process."""
    if kind == "rsa":
        return rsa_bytes()
    options = {
        "ec": ["EC", "-pkeyopt", "group:P-256"],
        "ed25519": ["ED25519"],
        "rsa-pss": ["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
    }[kind]
    return run(["openssl", "genpkey", "-algorithm", *options], PLAIN).stdout


_PORTS_EACH = 20
_BLOCKS = 600


def _block() -> tuple[socket.socket, int]:
    """A socket that is bound to the first port of a block, so that no other process takes that block, and that port."""
    for number in range(_BLOCKS):
        guard, port = socket.socket(), 20_000 + (os.getpid() + number) % _BLOCKS * _PORTS_EACH
        try:
            guard.bind(("127.0.0.1", port))
        except OSError:  # another process has it
            guard.close()
            continue
        return guard, port
    raise AssertionError("all blocks of ports are in use")


_guard, _first_port = _block()
_ports = cycle(range(_first_port + 1, _first_port + _PORTS_EACH))
"""Each process of a test run has ports of its own, below those that the system gives to connections (from 32,768 on).
A port that the system had given to a probe could be taken before the server that it was for has started."""


def free_port() -> int:
    """A port of 127.0.0.1 at which nobody listens, and that only this process hands out."""
    for port in islice(_ports, _PORTS_EACH - 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:  # another process has it
                continue
        return port
    raise AssertionError(f"ports {_first_port + 1} to {_first_port + _PORTS_EACH - 1} are all in use")


def wait_for_port(port: int, process: Popen[bytes]) -> None:
    """Until somebody accepts there. Fails if the process ends before."""

    def accepts() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), WAIT_S).close()
        except ConnectionRefusedError:
            return False
        return True

    wait_until(accepts, process)


def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that takes any certificate, of one version of TLS or any; no session is ever resumed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def get(port: int, context: ssl.SSLContext, expected: bytes) -> None:
    """One handshake and one request. Fails unless the response is a 200 with what is expected in it."""
    with (
        socket.create_connection(("127.0.0.1", port), WAIT_S) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as peer,
    ):
        peer.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        response = b""
        while part := peer.recv(65536):
            response += part
    assert b" 200 " in response.split(b"\r\n", 1)[0]
    assert expected in response


def load(port: int, context: ssl.SSLContext, count: int, expected: bytes, *, at_once: int = 16) -> None:
    """So many handshakes, some at a time, each response checked."""
    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(get, port, context, expected) for _ in range(count)]:
            done.result(WAIT_S)


def client_hello() -> bytes:
    """The first flight of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        peer.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a server")


def vanish(port: int, hello: bytes, count: int, half_way: Callable[[], bool]) -> None:
    """So many clients at a time that send their first flight and, once they are half-way, reset their connections."""
    with ExitStack() as stack:
        peers = [stack.enter_context(socket.create_connection(("127.0.0.1", port), WAIT_S)) for _ in range(count)]
        for peer in peers:
            # Linger of 0: close is a reset.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.sendall(hello)
        wait_until(half_way)


@contextmanager
def s_server(toolbox: Toolbox, address: str, pem: Path, *options: str) -> Iterator[int]:
    """`openssl s_server -async` that answers requests; its port."""
    port = free_port()
    command = ["openssl", "s_server", "-async", "-accept", f"127.0.0.1:{port}", "-cert", str(pem), "-quiet", *options]
    process = Popen(command, env=toolbox.environment(address), stdin=PIPE, stderr=PIPE)
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.kill()
        process.communicate()
