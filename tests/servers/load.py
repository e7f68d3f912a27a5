"""Clients, some at a time, each of which makes one connection after another."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle

from tests.bridge.tls import client_context
from tests.limits import WAIT_S

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}

Connect = Callable[[ssl.SSLContext], bytes]
"""Makes one connection, and returns the certificate that the server showed."""


class Load:
    """What the clients have done so far. Any thread may ask."""

    def __init__(self, connect: Connect, at_once: int) -> None:
        self._connect = connect
        self._at_once = at_once
        self._changed = threading.Condition()
        self._over = False
        self.connections = 0
        """How many connections are over, with those that failed."""
        self.failures: list[str] = []
        self.certificates: set[bytes] = set()

    def run(self) -> None:
        """Make connections until told to stop. For the thread of a client."""
        contexts = cycle([client_context(version) for version in VERSIONS.values()])
        while not self._over:
            certificate = failure = None
            try:
                certificate = self._connect(next(contexts))
            except (OSError, AssertionError) as error:
                failure = f"{type(error).__name__}: {error}"
            with self._changed:
                self.connections += 1
                if certificate is not None:
                    self.certificates.add(certificate)
                if failure is not None:
                    self.failures.append(failure)
                self._changed.notify_all()

    def await_more(self, count: int) -> None:
        """Wait until `count` connections that began after this call are over."""
        with self._changed:
            wanted = self.connections + self._at_once + count
            assert self._changed.wait_for(lambda: self.connections >= wanted, WAIT_S), "the server serves nobody"

    def await_certificates(self, count: int) -> None:
        """Wait until the clients have seen `count` different certificates."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.certificates) >= count, WAIT_S), (
                f"after {self.connections} connections only {len(self.certificates)} certificates were shown; "
                f"failures: {self.failures[:3]}"
            )

    def stop(self) -> None:
        """Let each client end with the connection that it is making."""
        self._over = True


@contextmanager
def under_load(connect: Connect, at_once: int) -> Iterator[Load]:
    """Clients that go on until the end of the block. Returns when all their connections are over."""
    load = Load(connect, at_once)
    threads = [threading.Thread(target=load.run, name=f"client {number}") for number in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join()
