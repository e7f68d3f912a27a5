"""The device process as an accelerator for Python: `simaccel.connect(address)`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self
from weakref import finalize

from hotpath.submittable import Submittable
from sim.errors import ClosedError, UsageError
from sim.forks import DisownedInChild
from sim.kernels import Kernels
from sim.session import Session, check_session
from sim.statistics import Statistics
from sim.timers import Timer
from simaccel.bridge.client.connection import Connection, RequestFailed
from simaccel.bridge.client.opening import SessionOpener, unknown_kernel
from simaccel.bridge.client.reader import Reader
from simaccel.bridge.client.session import RemoteSession, material_bytes
from simaccel.bridge.client.shared import SharedRings
from simaccel.bridge.client.snapshot import snapshot
from simaccel.bridge.remote import default_address
from simaccel.bridge.users import trusted_ids
from simaccel.bridge.wire import Opcode

__all__ = ["RemoteAccelerator", "RequestFailed"]

PATIENCE_S = 10.0
"""How long `close` waits for the next completion while it drains."""

SPARE_BYTES = 64
"""Kept free in each slot, because a result may be longer than its input by a tag."""


class RemoteAccelerator:
    """An accelerator whose device is another process. A context manager that fits the engine's Protocol.

    - `depth`: slots of the ring, a power of two. It has fewer if the device allows no more.
    - `slot_bytes`: the limit for payload and aux together, and for a result.
    - `trusted_users`: names or uids of users whose devices may have our keys, besides root and ourselves. With None,
      these are the users in SIMACCEL_TRUSTED_USERS.

    Any thread may submit and ask. Completions are handed out in a thread of its own, or in the thread that polls. When
    the device goes away, everything in flight fails with NoDeviceError, and later calls raise ClosedError. The timing
    model, faults, and kernels of your own belong to the device, and are set where the device is started.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        depth: int = 256,
        slot_bytes: int = 131_072,
        trusted_users: Sequence[str | int] | None = None,
    ) -> None:
        """Connects. Blocks until the device has opened a session for each kernel without a key.

        Raises NoDeviceError if no device answers, and UsageError if the address, the users or the sizes are invalid.
        """
        self.address = address or default_address()
        self.kernels = Kernels()
        self._closed = True  # so that __del__ does nothing if this constructor raises
        try:
            rings = SharedRings(self.address, depth, slot_bytes, trusted_ids(trusted_users))
        except ValueError as error:
            raise UsageError(str(error)) from None
        self.max_payload_bytes = rings.layout.slot_bytes - SPARE_BYTES
        self._connection = Connection(rings)
        self.clock = self._connection.clock
        self._reader = Reader(self._connection)
        self._opener = SessionOpener(self.address, self._connection, self._reader)
        self._closed = False
        _alive.add(self)
        try:
            self._keyless = self._opener.open_keyless(self.kernels)
        except BaseException:
            self.close(drain=False)
            raise

    # Submitting

    def session(self, op: str, key: object, **params: Any) -> RemoteSession:
        """Loads a key once, for any number of requests of that kernel. Blocks until the device has it.

        The device forgets the key when nobody holds the session any more. Raises UsageError if the key does not fit,
        and NoDeviceError if the device does not answer.
        """
        local = Session.open(self.kernels.get(op), key, **params)
        params.pop("password", None)  # the key is sent decrypted
        number = self._opener.open(op, material_bytes(local, key), params)
        session = RemoteSession(local, self._connection, number)
        finalize(session, self._connection.forget, number).atexit = False
        return session

    def register(self, name: str, function: Callable[[bytes], bytes], *, replace: bool = False) -> None:
        """Always raises UsageError: a function can't be sent to another process."""
        raise UsageError(f"kernel {name!r}: register it in the process that serves at {self.address}")

    def prepare(self, request: Submittable) -> None:
        """Checks a request, and copies what the caller may change. Raises UsageError; then it was not submitted."""
        kernel = self.kernels.get(request.op)
        for what in ("payload", "aux"):
            value = getattr(request, what)
            if type(value) is not bytes:
                try:
                    setattr(request, what, memoryview(value).tobytes())
                except TypeError:
                    raise UsageError(
                        f"a {what} of type {type(value).__name__}: give bytes, or encode it first"
                    ) from None
        size_bytes = len(request.payload) + len(request.aux)
        if size_bytes > self.max_payload_bytes:
            raise UsageError(
                f"a payload of {size_bytes:,} bytes: this ring's slots take {self.max_payload_bytes:,}; "
                "split it, or connect with larger slot_bytes"
            )
        session: object = request.session
        if session is None:
            check_session(kernel, None)
            try:
                request.key = self._keyless[request.op]
            except KeyError:
                raise unknown_kernel(self.address, request.op) from None
            key = None
        elif isinstance(session, RemoteSession) and session.connection is self._connection:
            check_session(kernel, session.local)
            request.key = session.id
            key = session.local.key
        else:
            raise UsageError(f"{session!r} is not a session of {self!r}: give one that its `session` returned, or None")
        if kernel.check is not None:
            kernel.check(request.payload, request.aux, key)
        request.kernel = kernel

    def submit(self, request: Submittable) -> bool:
        """Puts a prepared request onto the ring and rings the doorbell. Returns False if the ring is full.

        Never blocks. Raises ClosedError after `close`, after the device has gone away, and in the child of a fork.
        """
        return self._connection.push(request, Opcode.CALL, request.key, request.payload, request.aux)

    # Completing

    def poll(self, quota: int = 0) -> int:
        """Hands out at most `quota` completions in this thread, or with 0 all that are there. Returns how many.

        Returns 0 while completions come by interrupt. Does not block.
        """
        return self._connection.poll(quota) if self._connection.interrupt.masked else 0

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """Connects an engine: from now on, on_space(count) is called when slots were freed.

        With `polled`, completions come only by `poll`; without, by interrupt. Raises UsageError if another engine is
        attached with the other value of `polled`.
        """
        self._connection.reaper.attach(on_space, polled=polled)

    def detach(self, on_space: Callable[[int], None]) -> None:
        """Ends an `attach`. After the last one completions come by interrupt again. May be called again."""
        if self._connection.reaper.detach(on_space):
            self._reader.wake()  # the reader now hands out the completions that were left for polling

    def notify_once(self, fn: Callable[[], object]) -> None:
        """Calls fn once: now if there is something to poll for, else as soon as there is. Only for polled engines."""
        connection = self._connection
        connection.interrupt.ask(fn)
        connection.drain()
        if connection.completions.entries:
            connection.interrupt.notify()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Calls fn at that time of the clock, in the reader's thread. fn must not block."""
        return self._reader.call_at(due_ns, fn)

    # State

    @property
    def depth(self) -> int:
        """Slots of the ring."""
        return self._connection.ring.depth

    @property
    def free_slots(self) -> int:
        """How many more requests the ring can take now."""
        return self._connection.free_slots

    @property
    def in_flight(self) -> int:
        """How many requests were submitted and are not reaped yet."""
        return self._connection.ring.outstanding

    def statistics(self) -> Statistics:
        """A snapshot of this connection, as seen from here. Any thread may call it.

        A batch is a visit to the completion ring that found something. `busy_ns` is the sum of the service times, and
        the utilisation is its share of the time that one unit would have had. `simaccel.bridge.read_report` tells what
        the device did for all its clients, and which faults it met.
        """
        return snapshot(self._connection)

    # End

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self, *, drain: bool = True) -> None:
        """Ends the connection. With `drain` it first waits for what is in flight, as long as the device completes any.

        Requests that are left fail with ClosedError. Calling it again does nothing. Raises UsageError in the handler of
        a completion. While the interpreter ends, it only marks the accelerator as closed: see `_interpreter_ends`.
        """
        if self._closed or self._interpreter_ends():
            return
        if self._reader.inside:
            raise UsageError("an accelerator can't be closed by the handler of a completion: it would wait for itself")
        self._closed = True
        _alive.discard(self)
        connection = self._connection
        connection.refuse(ClosedError("the accelerator was closed"))
        try:
            if drain:
                self._drain()
        finally:
            connection.lose(ClosedError("the accelerator was closed while this was in flight"))
            connection.sever()
            self._reader.stop()
            connection.poll(0)
            connection.rings.close()

    def _drain(self) -> None:
        connection, ring = self._connection, self._connection.ring
        while ring.outstanding:
            before = ring.reaped
            connection.poll(0)
            if ring.reaped == before and not self._reader.wait_for(partial(connection.moved, before), PATIENCE_S):
                break

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(drain=kind is None)

    def _interpreter_ends(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> bool:
        """Whether the interpreter is ending. The reader's thread has stopped then, so nothing may wait for it.

        There is nothing to do, because the device sees the end of our process.
        """
        ends = is_finalizing()  # given as a default, because the module's globals may be gone by now
        if ends:
            self._closed = True
        return ends

    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        if getattr(self, "_closed", True):
            return
        try:
            warn(f"{self!r} was never closed", ResourceWarning, stacklevel=1, source=self)
        finally:  # also where warnings are errors
            if not self._interpreter_ends() and not self._reader.inside:
                self.close(drain=False)

    def __repr__(self) -> str:
        state = "closed" if self._connection.gate.refusal is not None else f"{self.in_flight} in flight"
        return f"<RemoteAccelerator at {self.address}, depth={self.depth}, {state}>"

    def _disown(self) -> None:
        self._closed = True
        self._connection.disown()
        self._reader.disown()


_alive = DisownedInChild(RemoteAccelerator._disown)
