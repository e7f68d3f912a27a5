"""Short operations, done at once in the server's thread: the path that decides how many a second there can be.

The device core does the same without a timing model (`Device._run_straight`), but as requests on rings of their own,
for owners it does not know: a null operation takes it 5.5 us of CPU, against 1.2 here, where it goes from descriptor to
completion without an object in between. With a timing model nothing comes this way.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import Any
from zlib import crc32

from sim.bridge.client import Client
from sim.bridge.kernels import PROVIDER_KERNELS
from sim.bridge.memory import Violation
from sim.bridge.operation import Operation
from sim.bridge.schemes import UnsupportedScheme
from sim.bridge.wire import CHECKSUM, CHECKSUM_WORD, Status
from sim.bridge.wire import Operation as Code
from sim.kernels import Kernels

SHOWN_NS = 50_000
"""Completions are shown to the client, and it is interrupted, at the latest after so long."""

LONG_BYTES = 65_536
"""Payloads from here on are long work, whatever the kernel."""

_LONG = frozenset({Code.RSA_SIGN, Code.RSA_DECRYPT})

Completion = tuple[int, int, int, int, int]


class Straight:
    """Belongs to the server's thread."""

    __slots__ = ("_kernels", "_short", "by_op")

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        self._short: dict[int, tuple[Callable[[bytes, bytes, Any], bytes], type | None, str]] = {
            code: (kernel.run, key, kernel.name)
            for code, (kernel, key) in PROVIDER_KERNELS.items()
            if code not in _LONG
        }
        self.by_op: dict[str, int] = {}

    def run(self, client: Client, batch: list[tuple[int, ...]]) -> list[Operation]:
        """Does the short ones of a client's submissions and completes them; returns the others, for the workers.

        Raises Violation, behind which the client must go; what was done until then is completed.
        """
        others: list[Operation] = []
        done: list[Completion] = []
        started_ns = shown_ns = monotonic_ns()
        try:
            for fields in batch:
                entry = self._short.get(fields[1])
                if entry is None or fields[5] >= LONG_BYTES:
                    operation = client.operation(fields, started_ns, self._kernels)
                    if operation is not None:
                        others.append(operation)
                    continue
                status, out_len = self._do(client, fields, *entry)
                finished_ns = monotonic_ns()
                done.append((fields[0], status, out_len, started_ns, finished_ns))
                started_ns = finished_ns
                if finished_ns - shown_ns >= SHOWN_NS:
                    client.endpoint.complete_all(done)
                    client.endpoint.fire()
                    done.clear()
                    shown_ns = finished_ns
        finally:
            if done:
                client.endpoint.complete_all(done)
            if len(others) < len(batch):
                client.endpoint.fire()
        return others

    def _do(
        self,
        client: Client,
        fields: tuple[int, ...],
        run: Callable[[bytes, bytes, Any], bytes],
        key_class: type | None,
        name: str,
    ) -> tuple[int, int]:
        """The work of one, result in the client's memory: status and length."""
        _, _, flags, key_id, in_off, in_len, out_off, out_max, aux_off, aux_len, _ = fields
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
        key = None
        if key_class is not None:
            key = client.keys.get(key_id)
            if not isinstance(key, key_class):
                return Status.NO_KEY, 0
        self.by_op[name] = self.by_op.get(name, 0) + 1
        try:
            result = run(payload, aux, key)
        except UnsupportedScheme:
            return Status.UNSUPPORTED, 0
        except Exception:  # what a kernel raises is a failure of the request, as on the device core
            return Status.FAILED, 0
        out_len = len(result)
        if out_len > out_max:
            return Status.TOO_LONG, 0
        if flags & CHECKSUM:
            result += CHECKSUM_WORD.pack(crc32(result, crc32(aux, crc32(payload))))
        if result:
            view[out_off : out_off + len(result)] = result
        return 0, out_len
