"""OpenVPN as a server over TCP. Its TLS runs inside of its own control channel."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import struct

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import exactly

_CONFIG = """\
mode server
tls-server
proto tcp-server
local 127.0.0.1
port @port@
dev tun
ifconfig-noexec
persist-tun
user nobody
group nogroup
cert @folder@/cert.pem
key @folder@/key.pem
ca @folder@/cert.pem
dh none
verify-client-cert none
script-security 2
auth-user-pass-verify /bin/true via-file
"""

_RESET_CLIENT, _RESET_SERVER, _CONTROL, _ACK = 7, 8, 4, 5
_MOST_BYTES = 1000


class _Channel:
    """The control channel: packets with numbers, each of which the other side acknowledges."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._session = os.urandom(8)
        self._next = 0
        self.send(_RESET_CLIENT, b"")
        while self.receive() is None:
            pass

    def send(self, opcode: int, payload: bytes) -> None:
        """Send one packet, which acknowledges nothing."""
        self._packet(opcode, b"\0" + struct.pack("!I", self._next) + payload)
        self._next += 1

    def receive(self) -> bytes | None:
        """Receive a packet. Return None if it only acknowledges; otherwise acknowledge it and return its payload."""
        data = exactly(self._raw, int.from_bytes(exactly(self._raw, 2), "big"))
        opcode, session, acks = data[0] >> 3, data[1:9], data[9]
        rest = data[10 + (4 * acks + 8 if acks else 0) :]
        if opcode == _ACK:
            return None
        assert opcode in (_RESET_SERVER, _CONTROL), opcode
        self._packet(_ACK, b"\x01" + rest[:4] + session)
        return rest[4:]

    def _packet(self, opcode: int, rest: bytes) -> None:
        data = bytes([opcode << 3]) + self._session + rest
        self._raw.sendall(struct.pack("!H", len(data)) + data)


def _talk(raw: socket.socket, context: ssl.SSLContext) -> bytes:
    channel = _Channel(raw)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    done = False
    while not done:
        try:
            peer.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        while payload := outgoing.read(_MOST_BYTES):
            channel.send(_CONTROL, payload)
        if not done and (payload := channel.receive() or b""):
            incoming.write(payload)
    certificate = peer.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


SERVER = Server(
    name="openvpn",
    title="OpenVPN",
    packages=("openvpn",),
    program="/usr/sbin/openvpn",
    way=Way.BLOCKS,
    port=1194,
    needs="It switches to the user that its configuration names, so the device must allow that user: `--allow-user "
    "nobody`. One thread does everything, and waits for each handshake. To reload without root it needs "
    "`persist-tun`, and must be able to read the key.",
    files={"server.conf": _CONFIG},
    command=("openvpn", "--config", "@folder@/server.conf"),
    talk=_talk,
    reload=by_signal(signal.SIGUSR1),
    reloads="SIGUSR1, without `persist-key`",
    drops="It closes its port for some seconds, with and without a device. Clients that try again at once fail many "
    "times.",
    users=("nobody",),
    owner="nobody",
    shown="server.conf",
)
