"""What a client says: the beginning of each protocol, over TLS at once or after STARTTLS.

A talk makes one connection secure, checks that the server serves, and returns the certificate that it was shown.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable

from tests.limits import WAIT_S

Talk = Callable[[socket.socket, ssl.SSLContext], bytes]
Before = Callable[[socket.socket], None]
Speech = Callable[[ssl.SSLSocket], None]


def connect(port: int, context: ssl.SSLContext, talk: Talk) -> bytes:
    """Make one connection, from its beginning to its end. Returns the server's certificate, as DER. Raises OSError or
    AssertionError if the server does not serve."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as raw:
        return talk(raw, context)


def secured(speak: Speech, before: Before = lambda _: None) -> Talk:
    """A talk that calls `before`, makes the handshake, and then calls `speak` over TLS."""

    def talk(raw: socket.socket, context: ssl.SSLContext) -> bytes:
        before(raw)
        with context.wrap_socket(raw, server_hostname="localhost") as peer:
            speak(peer)
            certificate = peer.getpeercert(binary_form=True)
        assert certificate is not None
        return certificate

    return talk


def exactly(peer: socket.socket, count: int) -> bytes:
    """Read exactly `count` bytes."""
    data = b""
    while len(data) < count:
        part = peer.recv(count - len(data))
        assert part, f"the server closed after {data!r}, {count} bytes were expected"
        data += part
    return data


def line(peer: socket.socket) -> bytes:
    """Read a line, and return it without its end."""
    data = b""
    while not data.endswith(b"\n"):
        data += exactly(peer, 1)
    return data.rstrip()


def answers(request: bytes, beginning: bytes) -> Speech:
    """A speech that sends one request, and checks the beginning of the answer."""

    def speak(peer: ssl.SSLSocket) -> None:
        peer.sendall(request + b"\r\n")
        answer = line(peer)
        assert answer.startswith(beginning), answer

    return speak


def http(status: bytes, text: bytes) -> Speech:
    """A speech that requests /, and checks the status of the answer and a part of its text."""

    def speak(peer: ssl.SSLSocket) -> None:
        peer.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b""
        while text not in answer and (part := peer.recv(65536)):
            answer += part
        assert answer.split(b" ")[1:2] == [status], answer
        assert text in answer, answer

    return speak


HTTP = secured(http(b"200", b"served"))


def _smtp_reply(peer: socket.socket, code: bytes) -> None:
    while (reply := line(peer))[3:4] == b"-":
        pass
    assert reply.startswith(code), reply


def _smtp_before(raw: socket.socket) -> None:
    _smtp_reply(raw, b"220")
    raw.sendall(b"EHLO localhost\r\n")
    _smtp_reply(raw, b"250")
    raw.sendall(b"STARTTLS\r\n")
    _smtp_reply(raw, b"220")


def _smtp(peer: ssl.SSLSocket) -> None:
    for command, code in ((b"EHLO localhost", b"250"), (b"NOOP", b"250"), (b"QUIT", b"221")):
        peer.sendall(command + b"\r\n")
        _smtp_reply(peer, code)


SMTP = secured(_smtp, _smtp_before)


def _imap_before(raw: socket.socket) -> None:
    assert line(raw).startswith(b"* OK")
    raw.sendall(b"a STARTTLS\r\n")
    assert line(raw).startswith(b"a OK")


def _imap(peer: ssl.SSLSocket) -> None:
    peer.sendall(b"b LOGOUT\r\n")
    assert line(peer).startswith(b"* BYE")
    assert line(peer).startswith(b"b OK")


IMAP = secured(_imap, _imap_before)


def _postgres_before(raw: socket.socket) -> None:
    raw.sendall(struct.pack("!II", 8, 80877103))
    assert exactly(raw, 1) == b"S"


def _postgres(peer: ssl.SSLSocket) -> None:
    start = struct.pack("!I", 3 << 16) + b"user\0postgres\0database\0postgres\0\0"
    peer.sendall(struct.pack("!I", 4 + len(start)) + start)
    assert exactly(peer, 9) == struct.pack("!cII", b"R", 8, 0), "not let in without a password"
    peer.sendall(struct.pack("!cI", b"X", 4))


POSTGRES = secured(_postgres, _postgres_before)

_MYSQL_FLAGS = 0x200 | 0x8000 | 0x800 | 0x80000
"""Protocol 4.1, secure connection, TLS, authentication by plug-in."""
_MYSQL_HEAD = struct.pack("<IIB23x", _MYSQL_FLAGS, 1 << 24, 45)


def _mysql_packet(peer: socket.socket) -> bytes:
    head = exactly(peer, 4)
    return exactly(peer, int.from_bytes(head[:3], "little"))


def _mysql_before(raw: socket.socket) -> None:
    greeting = _mysql_packet(raw)
    assert greeting[:1] == b"\x0a", greeting
    raw.sendall(len(_MYSQL_HEAD).to_bytes(3, "little") + b"\x01" + _MYSQL_HEAD)


def _mysql(peer: ssl.SSLSocket) -> None:
    login = _MYSQL_HEAD + b"nobody\0" + b"\0" + b"mysql_native_password\0"
    peer.sendall(len(login).to_bytes(3, "little") + b"\x02" + login)
    answer = _mysql_packet(peer)
    assert answer[:1] == b"\x00", answer


MYSQL = secured(_mysql, _mysql_before)

REDIS = secured(answers(b"PING", b"+PONG"))
MEMCACHED = secured(answers(b"version", b"VERSION"))
ECHO = secured(answers(b"served", b"served"))


def _mqtt(peer: ssl.SSLSocket) -> None:
    peer.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")
    assert exactly(peer, 4) == b"\x20\x02\x00\x00"
    peer.sendall(b"\xe0\x00")


MQTT = secured(_mqtt)


def _dns(peer: ssl.SSLSocket) -> None:
    question = struct.pack("!6H", 4711, 0x0100, 1, 0, 0, 0) + b"\x06served\x04test\x00" + struct.pack("!2H", 1, 1)
    peer.sendall(struct.pack("!H", len(question)) + question)
    answer = exactly(peer, int.from_bytes(exactly(peer, 2), "big"))
    number, flags, _, found = struct.unpack_from("!4H", answer)
    assert (number, flags >> 15, found) == (4711, 1, 1), answer


DNS = secured(_dns)
"""Over TLS. The server must know one address of served.test."""
