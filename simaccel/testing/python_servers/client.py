"""The clients of a server that is certified: each is a handshake to be run as a job, and stands for a socket.

A client checks by itself what the server does with it: that its handshake runs once, that the server closes it once and
not too soon, and that it gets its own answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from engine.engine import Engine
from engine.errors import DeadlineError, OperationError, RingFullError
from engine.jobs.job import Job
from engine.jobs.pause import current_job
from engine.jobs.thread import LOCAL

KINDS = ("stackful", "coroutine")
OPERATIONS = 2
"""How many operations a handshake does, one after the other."""
_FAILURES = (OperationError, DeadlineError, RingFullError)
"""What an operation raises if the device does not do it."""


class HandshakeError(Exception):
    """The handshake of a client failed. Its server closes this client, and goes on."""


class ClientProgress:
    """What has become of all clients of a scenario, together."""

    def __init__(self) -> None:
        self.count = 0
        """How many operations and clients have ended."""
        self.wrong: list[str] = []
        """What the server has done wrong with a client."""


class CertifyClient:
    """One client. A server uses `handshake`, `close` and perhaps `number`.

    `handshake` takes no arguments and returns bytes. It is a plain function in half of the clients and an `async def`
    in the others, so it becomes a stackful or a stackless job. It raises HandshakeError if it fails.
    """

    def __init__(self, number: int, kind: str, engine: Engine, software: bool, progress: ClientProgress) -> None:
        """`software`: whether the handshake does an operation by itself if the device does not do it."""
        self.number = number
        """Counted from 1."""
        self.handshake: Callable[[], Any] = self._plain if kind == "stackful" else self._async
        self.kind = kind
        self.job: Job | None = None
        """The job that runs the handshake. None before, and outside of jobs."""
        self.begun = self.ended = self.closed = False
        self.blocked = False
        """Whether its handshake was called in a way in which its operations block the thread."""
        self.steps = 0
        """How many operations have ended."""
        self.in_software = 0
        """How many of them the handshake did by itself."""
        self.result: bytes | None = None
        """What the handshake has returned, if it has."""
        self.vanished = False
        """Whether the client has gone away."""
        self._progress = progress
        self._engine = engine
        self._software = software

    def close(self, answer: bytes | None = None) -> None:
        """Close the connection. `answer`: what `handshake` has returned; None if it failed, or the client has gone."""
        if self.closed:
            self._wrong(f"{self} was closed twice")
            return
        self.closed = True
        self._progress.count += 1
        if answer is not None and answer != self.result:
            theirs = "although its handshake has not succeeded" if self.result is None else "which is not its own"
            self._wrong(f"{self} was closed with an answer {theirs}: {answer!r}")
        elif self.vanished:
            return
        elif not self.ended:
            self._wrong(f"{self} was closed while its handshake was {'paused' if self.begun else 'not begun'}")
        elif answer is None and self.result is not None:
            self._wrong(f"{self} was closed without its answer, although its handshake has succeeded")

    def _wrong(self, what: str) -> None:
        self._progress.wrong.append(what)

    def __repr__(self) -> str:
        return f"client {self.number} ({self.kind})"

    # The handshake

    def _plain(self) -> bytes:
        with self._shaking(blocks=LOCAL.state.current is None or bool(LOCAL.state.blocked)):
            data = b"hello %d" % self.number
            for _ in range(OPERATIONS):
                try:
                    done = self._engine.sha256(data)
                except _FAILURES as error:
                    done = self._instead(data, error)
                data = self._checked(data, done)
            self.result = data
            return data

    async def _async(self) -> bytes:
        with self._shaking(blocks=bool(LOCAL.state.blocked)):
            data = b"hello %d" % self.number
            for _ in range(OPERATIONS):
                try:
                    done = await self._engine.aio.sha256(data)
                except _FAILURES as error:
                    done = self._instead(data, error)
                data = self._checked(data, done)
            self.result = data
            return data

    @contextmanager
    def _shaking(self, blocks: bool) -> Iterator[None]:
        if self.begun:
            self._wrong(f"the handshake of {self} was run twice")
        self.begun, self.blocked = True, blocks
        self.job = current_job()
        try:
            yield
        finally:
            self.ended = True

    def _instead(self, data: bytes, error: Exception) -> bytes:
        if not self._software:
            raise HandshakeError(f"the handshake of {self} failed: {error}") from error
        self.in_software += 1
        return hashlib.sha256(data).digest()

    def _checked(self, data: bytes, done: bytes) -> bytes:
        self.steps += 1
        self._progress.count += 1
        if done != hashlib.sha256(data).digest():
            raise HandshakeError(f"the handshake of {self} failed: the device gave a wrong result")
        return done

    def forget(self) -> None:
        """Cancel its job if the server has left it paused, so that it does not live on after the scenario."""
        job, self.job = self.job, None
        if job is None or not job.paused:
            return
        ctx = job.wait_ctx
        try:
            for _ in range(OPERATIONS + 1):
                if job.cancel():
                    break
        finally:
            if ctx is not None:
                ctx.close()
