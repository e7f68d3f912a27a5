"""TLS clients, any number of them in one thread: they shake hands, say good-bye, and can vanish at any moment."""

from __future__ import annotations

import errno
import selectors
import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum, auto
from typing import Any

_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER of 0: the close is a reset."""


class State(Enum):
    """The states of a client."""

    CONNECTING = auto()
    SHAKING = auto()
    LEAVING = auto()
    """Its handshake is done, it has said good-bye, and waits for the server to close."""
    DONE = auto()
    """The server has closed too, so it has seen the end of the handshake."""
    FAILED = auto()
    ABORTED = auto()
    """Reset by us."""


ENDED = (State.DONE, State.FAILED, State.ABORTED)


class Client:
    """One connection."""

    def __init__(self, context: ssl.SSLContext, family: int) -> None:
        self.state = State.CONNECTING
        self.why = ""
        """Why it failed."""
        self.shaken = False
        """Whether the handshake was completed, as far as the client can see."""
        self._context = context
        self.socket: socket.socket | ssl.SSLSocket = socket.socket(family)
        self.socket.setblocking(False)

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ENDED

    def connect(self, address: Any) -> None:
        """Begin."""
        code = self.socket.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            self.fail(OSError(code, errno.errorcode.get(code, str(code))))

    def go_on(self) -> int:
        """Take the next step. Returns the event to wait for, or 0 if it has ended."""
        try:
            if self.state is State.CONNECTING:
                code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, errno.errorcode.get(code, str(code)))
                self.socket = self._context.wrap_socket(
                    self.socket, server_hostname="localhost", do_handshake_on_connect=False
                )
                self.state = State.SHAKING
            if self.state is State.SHAKING:
                assert isinstance(self.socket, ssl.SSLSocket)
                self.socket.do_handshake()
                self.shaken = True
                self._say_goodbye(self.socket)
                self.state = State.LEAVING
            while self.socket.recv(65_536):
                pass
        except (ssl.SSLWantReadError, BlockingIOError):
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        except OSError as error:
            if self.state is not State.LEAVING:
                self.fail(error)
                return 0
            # A server may answer our good-bye with a reset. The handshake is over for both.
        self.state = State.DONE
        self.socket.close()
        return 0

    def _say_goodbye(self, peer: ssl.SSLSocket) -> None:
        with suppress(ssl.SSLError, OSError):  # the code below waits for the server's good-bye, without TLS
            peer.unwrap()
        peer.shutdown(socket.SHUT_WR)

    def fail(self, error: Exception) -> None:
        """It did not get what it wanted."""
        self.state = State.FAILED
        self.why = (isinstance(error, ssl.SSLError) and error.reason) or str(error) or type(error).__name__
        self.socket.close()

    def abort(self) -> None:
        """Reset the connection."""
        if not self.ended:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            self.socket.close()
            self.state = State.ABORTED


class Clients:
    """All clients of a scenario. A context manager."""

    def __init__(self, family: int, address: Any) -> None:
        """Where the server listens: a family of sockets, and an address of that family."""
        self._family = family
        self._address = address
        self._selector = selectors.DefaultSelector()
        self.handshakes = 0
        """How many were completed."""

    def open(self, count: int, context: ssl.SSLContext | None = None) -> list[Client]:
        """Begin `count` connections. `step` carries them on."""
        context = context or client_context()
        clients = [Client(context, self._family) for _ in range(count)]
        for client in clients:
            client.connect(self._address)
            if not client.ended:
                self._selector.register(client.socket, selectors.EVENT_WRITE, client)
        return clients

    def step(self, wait_s: float) -> None:
        """Take a step with each client that can take one. If none can, waits for at most that long."""
        for key, _ in self._selector.select(wait_s):
            client: Client = key.data
            shaken = client.shaken
            self._selector.unregister(key.fileobj)  # wrap_socket makes another object of the same fd
            wanted = client.go_on()
            self.handshakes += client.shaken - shaken
            if wanted:
                self._selector.register(client.socket, wanted, client)

    def abort(self, clients: Iterable[Client]) -> None:
        """Reset these connections, unless they have ended."""
        for client in clients:
            if not client.ended:
                self._selector.unregister(client.socket)
                client.abort()

    def close(self) -> None:
        """Reset all."""
        self.abort([key.data for key in list(self._selector.get_map().values())])
        self._selector.close()


def client_context(
    version: ssl.TLSVersion | None = None, *, ciphers: str | None = None, certificate: str | None = None
) -> ssl.SSLContext:
    """A client that takes any certificate. `certificate`: a PEM file of its own. It never resumes a session."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if ciphers is not None:
        context.set_ciphers(ciphers)
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
