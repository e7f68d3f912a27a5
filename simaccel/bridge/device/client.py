"""One connected client: its memory, its keys, and its submissions turned into operations.

Everything it sends is checked against what is its own.
"""

from __future__ import annotations

import json
import os
import select
import socket
from contextlib import ExitStack
from typing import Any
from zlib import crc32

from sim.errors import SimError
from sim.kernels import Kernel, Kernels
from sim.session import Session, check_session
from simaccel.bridge.device.kernels import PROVIDER_KERNELS, SEALED_KERNELS, UnusableKey, load_key, sealed
from simaccel.bridge.device.keys import loaded_material
from simaccel.bridge.device.memory import Memory
from simaccel.bridge.device.operation import Endpoint, Operation
from simaccel.bridge.wire import CHECKSUM, CHECKSUM_WORD, Layout, Status, Submission
from simaccel.bridge.wire import Operation as Code

BUDGET = 32
"""Submissions taken from all clients in turn before the server looks at the first one again, or one from each."""

MAX_KEYS = 65_536
"""Keys and sessions of one client."""


class Client:
    """A connection with memory of its own. Belongs to the server's thread. OSError if there are no fds left for it."""

    __slots__ = ("_interrupt", "control", "cost_ns", "doorbell", "endpoint", "keys", "memory", "pid", "serial", "uid")

    def __init__(self, control: socket.socket, layout: Layout, pid: int, uid: int, serial: int) -> None:
        """`serial`: higher than that of any client before it."""
        self.control = control
        self.pid = pid
        self.uid = uid
        self.serial = serial
        self.cost_ns = 1
        """What one of its submissions took the server's thread at the last visit, in the mean."""
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        with ExitStack() as opened:  # in case there are no fds left for all of it
            self.memory = Memory(layout)
            opened.callback(self.memory.close_fd)
            interrupt = os.eventfd(0, flags)
            opened.callback(os.close, interrupt)
            self.endpoint = Endpoint(self.memory, interrupt)
            # Whoever holds an eventfd can make it blocking and full, and so stop whoever writes to it. So the client
            # gets an epoll that watches for edges of ours, which it can wait for and acknowledge, and can't reach.
            self._interrupt: select.epoll | None = select.epoll()
            self._interrupt.register(interrupt, select.EPOLLIN | select.EPOLLET)
            opened.callback(self._interrupt.close)
            self.doorbell = os.eventfd(0, flags)
            """Watched for edges and never read: a client could make a read block."""
            opened.pop_all()
        self.keys: dict[int, Any] = {}
        """By the client's own ids: private keys of the provider, and sessions."""

    @property
    def welcome_fds(self) -> list[int]:
        """What goes to the client with the welcome."""
        assert self._interrupt is not None
        return [self.memory.fd, self.doorbell, self._interrupt.fileno()]

    def welcomed(self) -> None:
        """It has them; we need no more than the memory's mapping and the doorbell."""
        assert self._interrupt is not None
        self.memory.close_fd()
        self._interrupt.close()
        self._interrupt = None

    @property
    def ring_is_full(self) -> bool:
        """Whether it can submit nothing more until something completes."""
        return self.memory.waiting + self.endpoint.outstanding >= self.memory.layout.entries

    def fetch(self, budget: int = BUDGET) -> list[tuple[int, ...]]:
        """Its next submissions, at most so many. Raises Violation, behind which the client must go."""
        endpoint = self.endpoint
        batch = self.memory.fetch(budget, endpoint.outstanding)
        with endpoint.lock:
            endpoint.outstanding += len(batch)
        endpoint.submitted += len(batch)
        return batch

    def operations(self, batch: list[tuple[int, ...]], now_ns: int, kernels: Kernels) -> list[Operation]:
        """Submissions as operations; what is done in order (loading keys) is done here, and answered.

        Raises Violation, behind which the client must go.
        """
        made = [self.operation(fields, now_ns, kernels) for fields in batch]
        operations = [operation for operation in made if operation is not None]
        if len(operations) < len(made):
            self.endpoint.fire()
        return operations

    def operation(self, fields: tuple[int, ...], now_ns: int, kernels: Kernels) -> Operation | None:
        """An operation for the device, or None: it is answered already."""
        cookie, code, flags, key_id, in_off, in_len, out_off, out_max, aux_off, aux_len, submitted_ns = fields
        if code in (Code.KEY_LOAD, Code.SESSION_OPEN):
            submission = Submission(*fields)
            status = self._load(submission) if code == Code.KEY_LOAD else self._open(submission, kernels)
            self.endpoint.complete(cookie, status, 0, now_ns, now_ns)
            return None
        memory = self.memory
        payload, aux = memory.read(in_off, in_len), memory.read(aux_off, aux_len)
        memory.check(out_off, out_max + (CHECKSUM_WORD.size if flags & CHECKSUM else 0))
        found = self._call(key_id, payload, aux, flags) if code == Code.CALL else self._provided(code, key_id, flags)
        if isinstance(found, Status):
            self.endpoint.complete(cookie, found, 0, now_ns, now_ns)
            return None
        kernel, key = found
        return Operation(self.endpoint, cookie, kernel, key, payload, aux, out_off, out_max, flags, submitted_ns)

    def _provided(self, code: int, key_id: int, flags: int) -> tuple[Kernel, Any] | Status:
        entry = (SEALED_KERNELS if flags & CHECKSUM else PROVIDER_KERNELS).get(code)
        if entry is None:
            return Status.UNSUPPORTED
        kernel, key_class = entry
        if key_class is None:
            return kernel, None
        key = self.keys.get(key_id)
        return (kernel, key) if isinstance(key, key_class) else Status.NO_KEY

    def _call(self, key_id: int, payload: bytes, aux: bytes, flags: int) -> tuple[Kernel, Any] | Status:
        session = self.keys.get(key_id)
        if not isinstance(session, Session | Kernel):
            return Status.NO_KEY
        kernel, key = (session.kernel, session.key) if isinstance(session, Session) else (session, None)
        if kernel.check is not None:
            try:
                kernel.check(payload, aux, key)
            except SimError:
                return Status.FAILED
        return sealed(kernel) if flags & CHECKSUM else kernel, key

    def _load(self, submission: Submission) -> Status:
        der = self.memory.take_secret(submission.in_off, submission.in_len)
        try:
            if submission.flags & CHECKSUM:
                sum_off = len(der) - CHECKSUM_WORD.size
                if sum_off < 0 or CHECKSUM_WORD.unpack_from(der, sum_off)[0] != crc32(memoryview(der)[:sum_off]):
                    return Status.FAILED
                del der[sum_off:]
            return self._keep(submission.key, load_key(der))
        except UnusableKey:
            return Status.UNSUPPORTED
        finally:
            der[:] = bytes(len(der))

    def _open(self, submission: Submission, kernels: Kernels) -> Status:
        """The aux is JSON: the kernel's name, whether there is key material, and the parameters of its load."""
        asked = self.memory.read(submission.aux_off, submission.aux_len)
        material = self.memory.take_secret(submission.in_off, submission.in_len) if submission.in_len else bytearray()
        try:
            wanted = json.loads(asked)
            kernel = kernels.get(wanted["kernel"])
            if not wanted["keyed"]:
                check_session(kernel, None)
                return self._keep(submission.key, kernel)
            params = {
                name: bytes.fromhex(v["hex"]) if isinstance(v, dict) else v for name, v in wanted["params"].items()
            }
            return self._keep(submission.key, Session.open(kernel, loaded_material(kernel, material), **params))
        except (SimError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return Status.UNSUPPORTED
        finally:
            material[:] = bytes(len(material))

    def _keep(self, key_id: int, key: Any) -> Status:
        if len(self.keys) >= MAX_KEYS:
            return Status.FAILED
        self.keys[key_id] = key
        return Status.OK

    def close(self) -> None:
        """The client is gone, or could not be welcomed."""
        if self._interrupt is not None:
            self.welcomed()
        self.endpoint.close()
        self.keys.clear()
        os.close(self.doorbell)
        self.control.close()
