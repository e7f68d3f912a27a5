"""The device process as an accelerator for Python: `simaccel.connect(address)`."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet, finalize

from sim.errors import ClosedError, UsageError
from sim.kernels import Kernels
from sim.request import Submittable
from sim.session import Session, check_session
from sim.statistics import Percentiles, Statistics
from sim.timers import Timer
from simaccel.bridge.client.connection import Connection, RequestFailed
from simaccel.bridge.client.reader import Reader
from simaccel.bridge.client.session import Opening, RemoteSession, material_bytes
from simaccel.bridge.client.shared import SharedRings
from simaccel.bridge.remote import NoDeviceError, default_address
from simaccel.bridge.users import trusted_ids
from simaccel.bridge.wire import Opcode

__all__ = ["RemoteAccelerator", "RequestFailed"]

PATIENCE_S = 10.0
"""How long a device may take to open a session, or to complete anything at all while we drain it."""

SPARE_BYTES = 64
"""Of a slot: a result may be longer than its input, by a tag."""


class RemoteAccelerator:
    """An accelerator whose device is another process. A context manager; fits the engine's Protocol.

    - `depth`: slots of the ring, a power of two; fewer if the device allows no more. `slot_bytes`: the most that
      payload and aux, or a result, may have.
    - `trusted_users`: names or uids whose device may have our keys, besides root's and our own. None: those of
      SIMACCEL_TRUSTED_USERS.

    Any thread may submit and ask. Completions come in a thread of its own, or in the thread that polls. When the device
    goes away, what is in flight fails with NoDeviceError and what comes later raises ClosedError. Timing and faults are
    the device's; so are kernels of the user's own, which are registered there.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        depth: int = 256,
        slot_bytes: int = 131_072,
        trusted_users: Sequence[str | int] | None = None,
    ) -> None:
        """Raises NoDeviceError if no device answers, UsageError for an address, users or sizes that can't be."""
        self.address = address or default_address()
        self.kernels = Kernels()
        self._closed = True  # until all is made
        try:
            rings = SharedRings(self.address, depth, slot_bytes, trusted_ids(trusted_users))
        except ValueError as error:
            raise UsageError(str(error)) from None
        self.max_payload_bytes = rings.layout.slot_bytes - SPARE_BYTES
        self._connection = Connection(rings)
        self.clock = self._connection.clock
        self._ids = count(1)
        self._reader = Reader(self._connection)
        self._closed = False
        _alive.add(self)
        try:
            self._keyless = self._open_keyless()
        except BaseException:
            self.close(drain=False)
            raise

    # Submitting

    def session(self, op: str, key: object, **params: Any) -> RemoteSession:
        """Load a key once, for any number of requests of that kernel. UsageError where it does not fit. Blocks until
        the device has it. The device forgets it when nobody holds the session any more."""
        local = Session.open(self.kernels.get(op), key, **params)
        params.pop("password", None)  # it goes over in the clear, as it does to a device in one's own process
        number, opening = self._open(op, material_bytes(local, key), params)
        self._answer(op, opening)
        session = RemoteSession(local, self._connection, number)
        finalize(session, self._connection.forget, number).atexit = False
        return session

    def register(self, name: str, function: Callable[[bytes], bytes], *, replace: bool = False) -> None:
        """Not here: a function can't go to another process."""
        raise UsageError(f"kernel {name!r}: register it in the process that serves at {self.address}")

    def prepare(self, request: Submittable) -> None:
        """Check a request, and copy what the caller may change. Raises UsageError, and then nothing has happened."""
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
            request.key = self._keyless[request.op]
            key = None
        elif isinstance(session, RemoteSession) and session.connection is self._connection:
            check_session(kernel, session.local)
            request.key = session.id
            key = session.local.key
        else:
            raise UsageError(f"{session!r} is no session of {self!r}: give what its `session` returned, or None")
        if kernel.check is not None:
            kernel.check(request.payload, request.aux, key)
        request.kernel = kernel

    def submit(self, request: Submittable) -> bool:
        """Put a prepared request onto the ring and ring the doorbell. False: the ring is full. Never blocks.

        Raises ClosedError behind `close`, when the device has gone away, and in the child of a fork.
        """
        return self._connection.push(request, Opcode.CALL, request.key, request.payload, request.aux)

    # Sessions

    def _open_keyless(self) -> dict[str, int]:
        """All at once and before anything else, so that no request ever has to wait for it."""
        opened = {op: self._open(op, None, {}) for op, kernel in self.kernels.by_name.items() if kernel.load is None}
        for op, (_, opening) in opened.items():
            self._answer(op, opening)
        return {op: number for op, (number, _) in opened.items()}

    def _open(self, op: str, material: bytes | None, params: dict[str, Any]) -> tuple[int, Opening]:
        """Ask for a session; its number, and what will be told when it is open."""
        plain = {name: {"hex": bytes(v).hex()} if isinstance(v, bytes | bytearray) else v for name, v in params.items()}
        asked = json.dumps({"kernel": op, "keyed": material is not None, "params": plain}).encode()
        if len(material or b"") + len(asked) > self._connection.rings.layout.slot_bytes:
            raise UsageError(f"a key of {len(material or b''):,} bytes: connect with larger slot_bytes")
        connection, opening = self._connection, Opening()
        number = next(self._ids)
        while not connection.push(opening, Opcode.SESSION_OPEN, number, material or b"", asked):
            if connection.interrupt.masked:
                self.poll()
            if not self._reader.wait_for(self._may_push, PATIENCE_S):
                raise NoDeviceError(f"the device at {self.address} frees no slot")
        return number, opening

    def _may_push(self) -> bool:
        connection = self._connection
        to_poll_for = connection.interrupt.masked and connection.completions.entries
        return connection.free_slots > 0 or connection.gate.refusal is not None or bool(to_poll_for)

    def _answer(self, op: str, opening: Opening) -> None:
        if not self._reader.wait_for(opening.answered.is_set, PATIENCE_S):
            raise NoDeviceError(f"the device at {self.address} does not answer")
        if opening.status:
            if self._connection.gate.refusal is not None:
                raise NoDeviceError(f"the device at {self.address} went away")
            raise UsageError(
                f"the device at {self.address} does not open a session for {op!r}: does it know the kernel?"
            )

    # Completing

    def poll(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions, 0 for all that are there, in this thread; how many it was.

        While completions come by interrupt there is nothing to poll.
        """
        return self._connection.poll(quota) if self._connection.interrupt.masked else 0

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """For an engine: be told of freed slots, and say whether completions are polled for or come by interrupt."""
        connection = self._connection
        if connection.reaper.on_space and connection.interrupt.masked is not polled:
            raise UsageError("another engine takes this accelerator's completions the other way: connect once more")
        connection.reaper.on_space.append(on_space)
        connection.interrupt.masked = polled

    def detach(self, on_space: Callable[[int], None]) -> None:
        """The end of `attach`. With the last engine gone, completions come by interrupt again. May be called again."""
        if on_space in self._connection.reaper.on_space:
            self._connection.reaper.on_space.remove(on_space)
        if not self._connection.reaper.on_space:
            self._connection.interrupt.masked = False
            self._reader.wake()  # for what was left to polling

    def notify_once(self, fn: Callable[[], object]) -> None:
        """While polling: call fn once, as soon as there is something to poll for, perhaps at once."""
        connection = self._connection
        connection.interrupt.ask(fn)
        connection.drain()
        if connection.completions.entries:
            connection.interrupt.notify()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Have fn called at that time of the clock, in the reader's thread. It must not block."""
        return self._reader.call_at(due_ns, fn)

    # Looking

    @property
    def depth(self) -> int:
        """Slots of the ring."""
        return self._connection.ring.depth

    @property
    def free_slots(self) -> int:
        """How many requests the ring would take now."""
        return self._connection.free_slots

    @property
    def in_flight(self) -> int:
        """Requests submitted whose completion was not reaped yet."""
        return self._connection.ring.outstanding

    def statistics(self) -> Statistics:
        """A snapshot of this connection, as seen from here, from any thread.

        Batches are visits to the completion ring that found something, `busy_ns` is the sum of the service times, and
        the utilisation is what share of one unit that would be. What the device met and did for all its clients,
        faults among it, `simaccel.bridge.read_report` tells.
        """
        connection = self._connection
        counters, ring = connection.counters, connection.ring
        now_ns = self.clock.now_ns()
        full_ns = counters.time_at_full_ns
        if counters.full_since_ns is not None:
            full_ns += now_ns - counters.full_since_ns
        possible_ns = now_ns - counters.since_ns
        return Statistics(
            submitted=ring.tail,
            completed=counters.completed,
            failed=counters.failed,
            orphaned=counters.orphaned,
            spurious=counters.spurious + connection.strays,
            in_flight=ring.outstanding,
            high_water=ring.high_water,
            ring_full=counters.ring_full,
            time_at_full_ns=full_ns,
            doorbells=counters.doorbells,
            interrupts=connection.interrupt.fired,
            polls=counters.polls,
            batches=counters.batches,
            batch_sizes=dict(sorted(counters.batch_sizes.items())),
            busy_ns=counters.busy_ns,
            utilisation=min(counters.busy_ns / possible_ns, 1.0) if possible_ns else 0.0,
            queue=Percentiles.of(list(counters.queue_samples)),
            service=Percentiles.of(list(counters.service_samples)),
            handler_errors=counters.handler_errors,
            longest_interrupt_ns=counters.longest_interrupt_ns,
            by_op=dict(sorted(counters.by_op.items())),
            faults={},
        )

    # End

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self, *, drain: bool = True) -> None:
        """Ends the connection; with `drain` what is in flight completes first, as long as anything does.

        What is left fails with ClosedError. Calling again does nothing. UsageError from inside a completion's handler.
        While the interpreter ends it only marks the accelerator as closed: see `_interpreter_ends`.
        """
        if self._closed or self._interpreter_ends():
            return
        if self._reader.inside:
            raise UsageError("an accelerator can't be closed by the handler of a completion: it would wait for itself")
        self._closed = True
        _alive.discard(self)
        connection, ring = self._connection, self._connection.ring
        connection.refuse(ClosedError("the accelerator was closed"))
        try:
            while drain and ring.outstanding:
                before = ring.reaped
                connection.poll(0)
                if ring.reaped == before and not self._reader.wait_for(partial(connection.moved, before), PATIENCE_S):
                    break
        finally:
            connection.lose(ClosedError("the accelerator was closed while this was in flight"))
            connection.sever()
            self._reader.stop()
            connection.poll(0)
            connection.rings.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(drain=kind is None)

    def _interpreter_ends(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> bool:
        """As `sim.Accelerator` has it: here the reader's thread is what has stopped. The device sees us end."""
        ends = is_finalizing()  # an argument, because the module's globals may be gone by now
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


_alive: WeakSet[RemoteAccelerator] = WeakSet()


def _after_fork_in_child() -> None:
    for accelerator in list(_alive):
        accelerator._disown()
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
