"""The device process as an accelerator for Python: `sim.connect(address)`."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sim.bridge.keys import Opening, RemoteSession, material_bytes
from sim.bridge.reader import Reader
from sim.bridge.remote import NoDeviceError, default_address
from sim.bridge.shared import Completion, SharedRings
from sim.bridge.wire import Operation, Status
from sim.clock import RealClock
from sim.errors import ClosedError, SimError, UsageError
from sim.kernels import Kernels
from sim.request import Submittable
from sim.session import Session, check_session
from sim.timers import Timer

SESSION_PATIENCE_S = 10.0


class RequestFailed(SimError):
    """The device completed the request with a failure. The status says which kind; the reason stays on the device."""

    def __init__(self, op: str, status: int) -> None:
        names = {member.value: member.name for member in Status}
        super().__init__(f"{op}: the device says {names.get(status, status)}")
        self.status = status


class RemoteAccelerator:
    """An accelerator whose device is another process. A context manager; fits the engine's Protocol.

    - `depth`: slots of the ring, a power of two. `slot_bytes`: the most that payload and aux, or a result, may have.

    Any thread may submit and ask. Completions come in a thread of its own, or in the thread that polls. When the device
    goes away, what is in flight fails with NoDeviceError and what comes later raises ClosedError. Timing and faults are
    the device's; so are kernels of the user's own, which are registered there.
    """

    def __init__(self, address: str | None = None, *, depth: int = 256, slot_bytes: int = 65_536) -> None:
        """Raises NoDeviceError if no device answers, UsageError for an address or sizes that can't be."""
        self.address = address or default_address()
        self.clock = RealClock()
        self.kernels = Kernels()
        self._refusal: SimError | None = None
        self._pid = os.getpid()
        try:
            self._rings = SharedRings(self.address, depth, slot_bytes)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._producers = threading.Lock()
        self._free = list(range(depth - 1, -1, -1))
        self._in_flight: dict[int, Submittable | Opening] = {}
        self._serial = 0
        self._next_id = 1
        self._keyless: dict[str, int] = {}
        self._attached: list[Callable[[int], None]] = []
        self._polled = False
        self._pollers = threading.Lock()
        self._reader = Reader(self._rings, self._reap_all, self._lost)

    # Submitting

    def session(self, op: str, key: object, **params: Any) -> RemoteSession:
        """Load a key once, for any number of requests of that kernel. UsageError where it does not fit. Blocks until
        the device has it; not while completions are polled for."""
        local = Session.open(self.kernels.get(op), key, **params)
        number = self._open(op, material_bytes(key), params)
        return RemoteSession(local, number)

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
        if size_bytes > self._rings.layout.slot_bytes - 64:
            raise UsageError(
                f"a payload of {size_bytes:,} bytes: this ring's slots take {self._rings.layout.slot_bytes - 64:,}; "
                "split it, or connect with larger slot_bytes"
            )
        session: object = request.session
        if session is not None and not isinstance(session, RemoteSession):
            raise UsageError(f"session of type {type(session).__name__}: give what opening one here returned, or None")
        local = None if session is None else session.local
        check_session(kernel, local)
        key = None if local is None else local.key
        if kernel.check is not None:
            kernel.check(request.payload, request.aux, key)
        request.kernel = kernel
        request.key = self._keyless_id(request.op) if session is None else session.id

    def submit(self, request: Submittable) -> bool:
        """Put a prepared request onto the ring and ring the doorbell. False: the ring is full. Never blocks.

        Raises ClosedError behind `close`, when the device has gone away, and in the child of a fork.
        """
        request.submitted_ns = self.clock.now_ns()
        if not self._push(request, Operation.CALL, request.key, request.payload, request.aux):
            return False
        self._rings.ring_doorbell()
        return True

    def _push(self, entry: Submittable | Opening, code: int, key: int, payload: bytes, aux: bytes) -> bool:
        rings = self._rings
        with self._producers:
            if self._refusal is not None or self._pid != os.getpid():
                raise self._refused()
            if not self._free:
                return False
            index = self._free.pop()
            slot = rings.slot(index)
            aux_off = slot + len(payload)
            rings.bytes[slot:aux_off] = payload
            rings.bytes[aux_off : aux_off + len(aux)] = aux
            self._serial += 1
            cookie = self._serial * len(self._rings.bytes) + index
            self._in_flight[cookie] = entry
            # The result may lie where the input was: the device has read all of that before it writes.
            layout = rings.layout
            rings.submit(
                cookie,
                code,
                0,
                key,
                slot,
                len(payload),
                slot,
                layout.slot_bytes,
                aux_off,
                len(aux),
                self.clock.now_ns(),
            )
        return True

    def _refused(self) -> SimError:
        if self._pid != os.getpid():
            return ClosedError(
                f"this accelerator belongs to the parent process, {self._pid}: connect anew behind the fork"
            )
        assert self._refusal is not None
        return ClosedError(str(self._refusal))

    # Sessions

    def _keyless_id(self, op: str) -> int:
        number = self._keyless.get(op)
        if number is None:
            number = self._keyless[op] = self._open(op, None, {})
        return number

    def _open(self, op: str, material: bytes | None, params: dict[str, Any]) -> int:
        plain = {name: {"hex": bytes(v).hex()} if isinstance(v, bytes | bytearray) else v for name, v in params.items()}
        asked = json.dumps({"kernel": op, "keyed": material is not None, "params": plain}).encode()
        with self._producers:
            number, self._next_id = self._next_id, self._next_id + 1
        opening = Opening()
        while not self._push(opening, Operation.SESSION_OPEN, number, material or b"", asked):
            if not self._reader.wait_for_space(SESSION_PATIENCE_S):
                raise NoDeviceError(f"the device at {self.address} frees no slot")
        self._rings.ring_doorbell()
        if not opening.answered.wait(SESSION_PATIENCE_S):
            raise NoDeviceError(f"the device at {self.address} does not answer")
        if opening.status:
            raise UsageError(
                f"the device at {self.address} does not open a session for {op!r}: does it know the kernel?"
            )
        return number

    # Completing

    def _reap_all(self) -> None:
        """In the reader's thread, when the device has interrupted."""
        if self._polled:
            self._openings_only()
            self._reader.notify()
        else:
            self.poll()

    def _openings_only(self) -> None:
        # While completions are polled for, whoever opens a session must not wait for a poll.
        if any(isinstance(entry, Opening) for entry in list(self._in_flight.values())):
            self.poll()

    def poll(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions, 0 for all that are there, in this thread; how many it was."""
        with self._pollers:
            try:
                batch = self._rings.reap(quota)
            except NoDeviceError as error:
                self._lost(error)
                return 0
            done = [self._finish(completion) for completion in batch]
        requests = [request for request in done if request is not None]
        for request in requests:
            request.complete()
        if requests:
            self._tell(len(requests))
        return len(requests)

    def _finish(self, completion: Completion) -> Submittable | None:
        """Takes the result and frees the slot; None if nobody waits for it."""
        entry = self._in_flight.pop(completion.cookie, None)
        if entry is None:
            return None
        index = completion.cookie % len(self._rings.bytes)
        slot, out_len = self._rings.slot(index), completion.out_len
        if isinstance(entry, Opening):
            entry.status = completion.status
            entry.answered.set()
        elif completion.status or out_len > self._rings.layout.slot_bytes:
            entry.error = RequestFailed(entry.op, completion.status or Status.TOO_LONG)
        else:
            entry.result = bytes(self._rings.bytes[slot : slot + out_len])
        with self._producers:
            self._free.append(index)
        self._reader.space_freed()
        if isinstance(entry, Opening):
            return None
        entry.started_ns, entry.finished_ns = completion.started_ns, completion.finished_ns
        return entry

    def _tell(self, freed: int) -> None:
        for on_space in list(self._attached):
            on_space(freed)

    def _lost(self, error: SimError) -> None:
        """The device has gone away: all that is in flight fails."""
        with self._producers:
            if self._refusal is None:
                self._refusal = error
            victims, self._in_flight = list(self._in_flight.values()), {}
        now_ns = self.clock.now_ns()
        for victim in victims:
            if isinstance(victim, Opening):
                victim.status = Status.FAILED
                victim.answered.set()
                continue
            victim.result, victim.error = None, error
            victim.started_ns = victim.started_ns or now_ns
            victim.finished_ns = now_ns
            victim.complete()

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """For an engine: be told of freed slots, and say whether completions are polled for or come by interrupt."""
        if self._attached and self._polled is not polled:
            raise UsageError("another engine takes this accelerator's completions the other way: connect once more")
        self._attached.append(on_space)
        self._polled = polled

    def detach(self, on_space: Callable[[int], None]) -> None:
        """The end of `attach`."""
        self._attached.remove(on_space)
        if not self._attached:
            self._polled = False
            if self._refusal is None:
                self.poll()

    def notify_once(self, fn: Callable[[], object]) -> None:
        """While polling: call fn once, as soon as there is something to poll for, perhaps at once."""
        self._reader.on_completion = fn
        if self._rings.has_completions():
            self._reader.notify()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Have fn called at that time of the clock, in the reader's thread. It must not block."""
        return self._reader.call_at(due_ns, fn)

    # Looking

    @property
    def depth(self) -> int:
        """Slots of the ring."""
        return self._rings.layout.entries

    @property
    def free_slots(self) -> int:
        """How many requests the ring would take now."""
        return len(self._free)

    @property
    def in_flight(self) -> int:
        """Requests submitted whose completion was not reaped yet."""
        return len(self._in_flight)

    # End

    def close(self, *, drain: bool = True) -> None:
        """Ends the connection; with `drain` what is in flight completes first. Calling again does nothing."""
        if self._refusal is None and self._pid == os.getpid():
            while (
                drain and self._in_flight and self._refusal is None and self._reader.wait_for_space(SESSION_PATIENCE_S)
            ):
                if self._polled:
                    self.poll()
            with self._producers:
                self._refusal = self._refusal or ClosedError("the accelerator was closed")
        if self._reader.stop():
            self._lost(ClosedError("the accelerator was closed while this was in flight"))
            self._rings.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(drain=kind is None)

    def __repr__(self) -> str:
        state = "closed" if self._refusal is not None else f"{self.in_flight} in flight"
        return f"<RemoteAccelerator at {self.address}, depth={self.depth}, {state}>"
