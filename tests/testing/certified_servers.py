"""Servers for `accel.certify`: right ones, and the same with one fault each, named after the scenario that is to find
it."""

from __future__ import annotations

import asyncio
import os
import select
from collections import deque
from contextlib import suppress
from typing import Any

from engine import Engine, Job, JobCancelled, start_job
from simaccel.testing import CertifyClient
from tests.effort import pick
from waitctx import Status, WaitCtx

PATIENCE_NS = 200_000_000
FEW_CONNECTIONS = pick(40, 300, 300)
"""With the fault `many-connects` there are no more."""


class Connection:
    """A client, its wait context and its job."""

    def __init__(self, client: CertifyClient) -> None:
        self.client = client
        self.ctx = WaitCtx()
        self.job: Job
        self.pauses = 0
        self.since_ns = 0
        self.gone = False
        self.fds: list[int] = []


class Server:
    """What the servers by fd and by callback have in common. `fault`: the name of a scenario, or none."""

    def __init__(self, engine: Engine, fault: str = "none") -> None:
        self.engine = engine
        self.fault = fault
        self.connections: dict[CertifyClient, Connection] = {}
        self.waiting: deque[CertifyClient] = deque()
        """With the fault asynchronous: those that have to wait until the one before them has ended."""
        self.in_software = False

    # For the kind of wake-ups

    def prepare(self, connection: Connection) -> None:
        """Before the job starts."""

    def wait(self, connection: Connection) -> None:
        """The job has paused."""

    def leave(self, connection: Connection) -> None:
        """The connection ends."""

    def woken(self) -> list[Connection]:
        """Whose jobs were woken."""
        raise NotImplementedError

    # What a server does

    def accept(self, client: CertifyClient) -> None:
        if self.fault == "offload":
            client.close()
            return
        if self.fault == "many-connects" and len(self.connections) >= FEW_CONNECTIONS:
            return
        if self.fault == "asynchronous" and self.connections:
            self.waiting.append(client)
            return
        self.start(client)

    def start(self, client: CertifyClient) -> None:
        if self.in_software:
            client.close(client.handshake() if client.kind == "stackful" else asyncio.run(client.handshake()))
            return
        connection = self.connections[client] = Connection(client)
        self.prepare(connection)
        connection.job = start_job(client.handshake, wait_ctx=connection.ctx)
        if self.fault == "no-pause" and not connection.job.paused:
            return
        self.look(connection)

    def hang_up(self, client: CertifyClient) -> None:
        connection = self.connections.get(client)
        if connection is None:
            self.waiting.remove(client)
            client.close()
            return
        connection.gone = True
        if self.fault == "abort-mid-pause":
            del self.connections[client]
            client.close()
            return
        if self.fault == "abort-waiting-for-slot" and _wants_a_slot(connection.job):
            self.leave(connection)
            del self.connections[client]
            client.close()
            return
        if self.fault != "freed-in-flight":
            connection.job.cancel()
        self.end(connection, None)

    def turn(self) -> None:
        for connection in self.woken():
            if connection.job.paused:
                self.resume(connection)
        if self.fault == "held-for-ever":
            for connection in list(self.connections.values()):
                if connection.job.paused:
                    self.resume(connection)
        while self.waiting and not self.connections:
            self.start(self.waiting.popleft())

    def resume(self, connection: Connection) -> None:
        late = self.engine.clock.now_ns() - connection.since_ns > PATIENCE_NS
        if self.fault == "late-completion" and late:
            connection.job.cancel()
            self.end(connection, None)
            return
        connection.job.resume()
        self.look(connection)

    def look(self, connection: Connection) -> None:
        """What has become of its job?"""
        job = connection.job
        if not job.paused:
            self.finish(connection)
            return
        connection.pauses += 1
        connection.since_ns = self.engine.clock.now_ns()
        if self.fault == "early-resume" and connection.pauses > 2:
            raise RuntimeError("resumed unexpectedly")
        if self.fault == "spurious-wake" and connection.pauses > 2:
            job.cancel()
            self.end(connection, None)
            return
        self.wait(connection)

    def finish(self, connection: Connection) -> None:
        answer = None
        try:
            answer = connection.job.result()
        except JobCancelled:
            pass
        except Exception as error:
            if self.fault == "corrupt" and "wrong result" in str(error):
                raise
            if self.fault == "error":
                self.leave(connection)
                connection.ctx.close()
                del self.connections[connection.client]
                return
        if self.fault == "device-restart" and connection.ctx.status == Status.ERR:
            self.in_software = True
        self.end(connection, answer)

    def end(self, connection: Connection, answer: bytes | None) -> None:
        self.leave(connection)
        connection.ctx.close()
        del self.connections[connection.client]
        connection.client.close(answer)

    def stop(self) -> None:
        if self.fault == "graceful-stop":
            for connection in list(self.connections.values()):
                connection.ctx.close()
                connection.client.close()

    def close(self) -> None:
        pass


class ByFd(Server):
    """With an epoll."""

    def __init__(self, engine: Engine, fault: str = "none") -> None:
        super().__init__(engine, fault)
        self.poller = select.epoll()
        self.by_fd: dict[int, Connection] = {}

    def wait(self, connection: Connection) -> None:
        if self.fault == "duplicate" and connection.pauses > 2:
            connection.gone = True
        added, deleted = connection.ctx.changed_fds()
        for fd in deleted:
            self.poller.unregister(fd)
            del self.by_fd[fd]
        for fd in added:
            self.poller.register(fd, select.EPOLLIN | (select.EPOLLONESHOT if self.fault == "many-pauses" else 0))
            if self.fault == "fd-reuse":
                self.by_fd.setdefault(fd, connection)
            else:
                self.by_fd[fd] = connection
            if self.fault == "wake-before-pause":
                _drain(fd)
        connection.fds += added

    def leave(self, connection: Connection) -> None:
        for fd in connection.fds:
            self.poller.unregister(fd)
            if not (self.fault == "fd-reuse" and connection.gone):
                del self.by_fd[fd]

    def woken(self) -> list[Connection]:
        ready = [self.by_fd[fd] for fd, _ in self.poller.poll(0)]
        while self.fault == "ring-full":
            again = [one for one in self.connections.values() if _wants_a_slot(one.job)]
            if not again:
                break
            for connection in again:
                self.resume(connection)
        return [connection for connection in ready if not (self.fault == "duplicate" and connection.gone)]

    def close(self) -> None:
        self.poller.close()


class ByCallback(Server):
    """With a latch."""

    def __init__(self, engine: Engine, fault: str = "none") -> None:
        super().__init__(engine, fault)
        self.latch: deque[Any] = deque()
        self.seats: dict[int, Connection] = {}
        """With the fault fd-reuse: by the number of a seat, which is given to the next."""

    def prepare(self, connection: Connection) -> None:
        arg: Any = connection
        if self.fault == "fd-reuse":
            arg = next(number for number in range(10_000) if number not in self.seats or self.seats[number].gone)
            self.seats.setdefault(arg, connection)
        connection.ctx.set_callback(self.latch.append, arg)

    def wait(self, connection: Connection) -> None:
        if self.fault == "wake-before-pause":
            while connection in self.latch:
                self.latch.remove(connection)
        if (self.fault == "many-pauses" and connection.pauses > 6) or (
            self.fault == "duplicate" and connection.pauses > 2
        ):
            connection.gone = True

    def woken(self) -> list[Connection]:
        if self.engine.polled:
            self.engine.poll()
        latched = [self.seats[one] if isinstance(one, int) else one for one in self.latch]
        self.latch.clear()
        while True:
            again = [one for one in self.connections.values() if one.ctx.status == Status.EAGAIN]
            for connection in again:
                if connection.job.paused:
                    self.resume(connection)
            if self.fault != "ring-full" or not again:
                break
        ignored = self.fault in ("many-pauses", "duplicate")
        return [connection for connection in latched if not (ignored and connection.gone)]


class InTheCallback(Server):
    """Resumes a job in the callback itself, which may come when the job has not paused yet."""

    def prepare(self, connection: Connection) -> None:
        connection.ctx.set_callback(self.called, connection)

    def called(self, connection: Connection) -> None:
        if connection.job.paused:
            self.resume(connection)

    def woken(self) -> list[Connection]:
        for connection in list(self.connections.values()):
            if connection.ctx.status == Status.EAGAIN:
                self.resume(connection)
        return []


class OnAsyncio:
    """Each handshake is a task of an asyncio loop: with `engine.aio.run` those that are plain functions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.loop = asyncio.new_event_loop()
        self.tasks: dict[CertifyClient, asyncio.Task[None]] = {}

    def accept(self, client: CertifyClient) -> None:
        self.tasks[client] = self.loop.create_task(self.serve(client))

    async def serve(self, client: CertifyClient) -> None:
        answer = None
        try:
            with suppress(Exception):
                answer = await self.run(client)
        finally:
            del self.tasks[client]
            client.close(answer)

    async def run(self, client: CertifyClient) -> bytes:
        answer: bytes = await self.engine.aio.run(client.handshake)
        return answer

    def hang_up(self, client: CertifyClient) -> None:
        self.tasks[client].cancel()

    def turn(self) -> None:
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.loop.close()


class OnTasks(OnAsyncio):
    """Without jobs: each handshake is an `async def` that a task awaits."""

    async def run(self, client: CertifyClient) -> bytes:
        answer: bytes = await client.handshake()
        return answer


def _wants_a_slot(job: Job) -> bool:
    return job.paused and job.waiting is not None and not job.waiting.submitted and not job.waiting.done


def _drain(fd: int) -> None:
    with suppress(BlockingIOError):
        os.eventfd_read(fd)
