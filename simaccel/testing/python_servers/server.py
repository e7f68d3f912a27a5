"""What a server must offer so that `accel.certify` can judge it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from engine.engine import Engine
from engine.errors import UsageError
from simaccel.testing.python_servers.client import CertifyClient


class CertifiedServer(Protocol):
    """A server, or an event loop, that runs the handshakes of its clients as jobs.

    No method may wait: in virtual time, nothing comes while the server waits. All are called in one thread.
    """

    def accept(self, client: CertifyClient) -> object:
        """A client has connected. Run `client.handshake` as a job, now or in a turn. When it has ended, call
        `client.close`."""

    def hang_up(self, client: CertifyClient) -> object:
        """A client has gone away. Give up its handshake now, or let it end. In both cases call `client.close`.

        It is not called for a client that the server has closed.
        """

    def turn(self) -> object:
        """One turn of the loop: resume each job that was woken, without waiting for more."""

    def stop(self) -> object:
        """No more clients will come. End the handshakes that have begun, in turns."""

    def close(self) -> object:
        """Give back what the server itself holds, such as its epoll. It is called last, once."""


Factory = Callable[[Engine], CertifiedServer]
"""Makes a new server for this engine."""

METHODS = ("accept", "hang_up", "turn", "stop", "close")


def made_by(factory: Factory, engine: Engine) -> CertifiedServer:
    """A new server. Raises UsageError if it is none, and what the factory raises."""
    server: Any = factory(engine)
    missing = [name for name in METHODS if not callable(getattr(server, name, None))]
    if missing:
        raise UsageError(
            f"the server factory returned {server!r}, which has no {', '.join(missing)}: return an object with the "
            f"methods {', '.join(METHODS)}; simaccel.testing.CertifiedServer says what each does"
        )
    return server  # type: ignore[no-any-return]
