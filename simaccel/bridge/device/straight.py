"""Short operations, done at once in the server's thread: the path that decides how many a second there can be.

The device core does the same without a timing model (`Device._run_straight`), but as requests on rings of their own,
for owners it does not know: a null operation takes it 5.5 us of CPU, against 1.2 here, where it goes from descriptor to
completion without an object in between. With a timing model nothing comes this way.
"""

from __future__ import annotations

from collections import deque
from time import monotonic_ns
from zlib import crc32

from sim.kernels import Kernels
from sim.statistics import SAMPLES
from simaccel.bridge.device.client import Client
from simaccel.bridge.device.kernels import PROVIDER_KERNELS
from simaccel.bridge.device.memory import Violation
from simaccel.bridge.device.operation import Completion, Operation
from simaccel.bridge.device.workers import Run, Work, perform
from simaccel.bridge.wire import CHECKSUM, CHECKSUM_WORD, Status
from simaccel.bridge.wire import Operation as Code

SHOWN_NS = 200_000
"""Completions are shown to the client, and it is interrupted, at the latest after so long."""

LONG_BYTES = 65_536
"""Payloads from here on are long work, whatever the kernel."""

_LONG = frozenset({Code.RSA_SIGN, Code.RSA_DECRYPT})

_Entry = tuple[Run, type | None, str]
"""What runs, the class its key must have, and its name."""


class Straight:
    """Belongs to the server's thread."""

    __slots__ = ("_kernels", "_long", "_short", "by_op", "queue_samples", "service_samples")

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        entries = {code: (kernel.run, key, kernel.name) for code, (kernel, key) in PROVIDER_KERNELS.items()}
        self._long: dict[int, _Entry] = {code: entry for code, entry in entries.items() if code in _LONG}
        self._short: dict[int, _Entry] = {code: entry for code, entry in entries.items() if code not in _LONG}
        self.by_op: dict[str, int] = {}
        self.queue_samples: deque[int] = deque(maxlen=SAMPLES)
        self.service_samples: deque[int] = deque(maxlen=SAMPLES)

    def run(self, client: Client, batch: list[tuple[int, ...]]) -> tuple[list[Work], list[Operation]]:
        """Does the short ones of a client's submissions and completes them; returns the others: those for worker
        threads, and those for the device core.

        Raises Violation, behind which the client must go; what was done until then is completed.
        """
        long: list[Work] = []
        others: list[Operation] = []
        done: list[Completion] = []
        started_ns = shown_ns = monotonic_ns()
        # To interrupt a client that sleeps takes 10 us. With half of what it has in flight it has enough to go on.
        share = max(1, client.endpoint.outstanding // 2)
        answered = False
        try:
            for fields in batch:
                entry = self._short.get(fields[1])
                if entry is None or fields[5] >= LONG_BYTES:
                    entry = self._long.get(fields[1])
                    if entry is None:
                        operation = client.operation(fields, started_ns, self._kernels)
                        if operation is None:
                            answered = True
                        elif operation.kernel.asymmetric and not operation.flags:
                            long.append(_work(operation))
                        else:
                            others.append(operation)
                        continue
                    work = _prepare(client, fields, *entry)
                    if work is not None:
                        long.append(work)
                        continue
                    status, out_len = int(Status.NO_KEY), 0
                else:
                    status, out_len = self._do(client, fields, *entry)
                finished_ns = monotonic_ns()
                done.append((fields[0], status, out_len, started_ns, finished_ns))
                started_ns = finished_ns
                if len(done) >= share or finished_ns - shown_ns >= SHOWN_NS:
                    client.endpoint.complete_all(done)
                    client.endpoint.fire()
                    self._sample(fields, done[-1])
                    done.clear()
                    shown_ns = finished_ns
        finally:
            if done:
                client.endpoint.complete_all(done)
                self._sample(fields, done[-1])
            if done or answered:
                client.endpoint.fire()
        return long, others

    def _sample(self, fields: tuple[int, ...], last: Completion) -> None:
        """One of those that are shown together, if the batch ends with it: more would tell no more, and cost."""
        cookie, _, _, started_ns, finished_ns = last
        if fields[0] == cookie:
            # The client says when it submitted, and may say anything.
            self.queue_samples.append(max(0, started_ns - fields[10]))
            self.service_samples.append(finished_ns - started_ns)

    def _do(
        self, client: Client, fields: tuple[int, ...], run: Run, key_class: type | None, name: str
    ) -> tuple[int, int]:
        _, _, flags, key_id, in_off, in_len, out_off, out_max, aux_off, aux_len, _ = fields
        payload, aux = _read(client, in_off, in_len, out_off, out_max, aux_off, aux_len)
        key = None
        if key_class is not None:
            key = client.keys.get(key_id)
            if not isinstance(key, key_class):
                return Status.NO_KEY, 0
        self.by_op[name] = self.by_op.get(name, 0) + 1
        seal = crc32(aux, crc32(payload)) if flags & CHECKSUM else None
        return perform(client.memory, run, payload, aux, key, seal, out_off, out_max)


def _read(
    client: Client, in_off: int, in_len: int, out_off: int, out_max: int, aux_off: int, aux_len: int
) -> tuple[bytes, bytes]:
    """Payload and aux. Raises Violation if these, or the output, lie outside of the slots."""
    memory = client.memory
    layout, view = memory.layout, memory.bytes
    first, last = layout.slots_off, layout.memory_bytes
    payload = aux = b""
    if in_len:
        if in_off < first or in_off + in_len > last:
            raise Violation("input outside of the slots")
        payload = bytes(view[in_off : in_off + in_len])
    if aux_len:
        if aux_off < first or aux_off + aux_len > last:
            raise Violation("aux outside of the slots")
        aux = bytes(view[aux_off : aux_off + aux_len])
    if out_off < first or out_off + out_max + CHECKSUM_WORD.size > last:
        raise Violation("output outside of the slots")
    return payload, aux


def _work(operation: Operation) -> Work:
    """Of an operation that a Python program asks for by its kernel's name."""
    op = operation
    place = op.out_off, op.out_max
    return Work(op.endpoint, op.cookie, op.kernel.run, op.op, op.payload, op.aux, op.key, None, *place, op.submitted_ns)


def _prepare(client: Client, fields: tuple[int, ...], run: Run, key_class: type | None, name: str) -> Work | None:
    """None: there is no such key."""
    cookie, _, flags, key_id, in_off, in_len, out_off, out_max, aux_off, aux_len, submitted_ns = fields
    payload, aux = _read(client, in_off, in_len, out_off, out_max, aux_off, aux_len)
    key = client.keys.get(key_id)
    if key_class is None or not isinstance(key, key_class):
        return None
    seal = crc32(aux, crc32(payload)) if flags & CHECKSUM else None
    return Work(client.endpoint, cookie, run, name, payload, aux, key, seal, out_off, out_max, submitted_ns)
