"""Turns submissions into requests. This is the only place that reads the fields of a submission.

Everything that a client sends is checked here against what is its own: its part of the memory and its keys. Keys are
loaded here too, in the order of submission, so that a request may use a key that was submitted just before it.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import Any

from sim.errors import SimError
from sim.kernels import Kernel, Kernels
from sim.session import Session
from simaccel.bridge.device.client_request import ClientRequest, Route
from simaccel.bridge.device.connected_client import ConnectedClient
from simaccel.bridge.device.endpoint import Completion
from simaccel.bridge.device.kernels import PROVIDER_KERNELS, SEALED_KERNELS, sealed
from simaccel.bridge.device.memory import Violation
from simaccel.bridge.wire import CHECKSUM, CHECKSUM_WORD, CompletionStatus, Opcode, SubmissionFields

LONG_BYTES = 65_536
"""A payload of this size or more is long work, whatever the kernel."""

# Not ML-KEM: `cryptography` keeps the GIL while it decapsulates, so a worker would only make the server's thread wait.
_LONG = frozenset(
    {
        Opcode.RSA_SIGN,
        Opcode.RSA_DECRYPT,
        Opcode.ML_DSA_44_SIGN,
        Opcode.ML_DSA_65_SIGN,
        Opcode.ML_DSA_87_SIGN,
    }
)
_LOADS = frozenset({Opcode.KEY_LOAD, Opcode.SESSION_OPEN})

_Row = tuple[Kernel, type | None, Route]
"""A kernel, the class that its key must have (None: it takes no key), and where it runs."""


def _rows(kernels: dict[int, tuple[Kernel, type | None]]) -> dict[int, _Row]:
    return {
        opcode: (kernel, key_class, Route.WORKER if opcode in _LONG else Route.INLINE)
        for opcode, (kernel, key_class) in kernels.items()
    }


_PLAIN, _SEALED = _rows(PROVIDER_KERNELS), _rows(SEALED_KERNELS)


def decode(
    client: ConnectedClient, batch: list[tuple[int, ...]], kernels: Kernels
) -> tuple[list[ClientRequest], list[Completion]]:
    """The requests of a batch in their order, and the completions of those that are already answered.

    Two kinds are answered at once: loads of keys, and requests for a key or a kernel that does not exist. Raises
    Violation if any submission names a place outside of the client's slots. Then the client must go, and nothing of the
    batch is done.
    Belongs to the server's thread. Does not block, but loading a key takes about 100 us.
    """
    endpoint, memory, keys = client.endpoint, client.memory, client.keys.by_id
    mapping, first, last = memory.mapping, memory.layout.slots_off, memory.layout.memory_bytes
    requests: list[ClientRequest] = []
    answered: list[Completion] = []
    for fields in batch:
        # In the order of wire.SUBMISSION. To make a named tuple of them first would take longer than the rest of this.
        cookie, opcode, flags, key_id, in_off, in_len, out_off, out_max, aux_off, aux_len, submitted_ns = fields
        sealed_bytes = CHECKSUM_WORD.size if flags & CHECKSUM else 0
        row = (_SEALED if sealed_bytes else _PLAIN).get(opcode)
        if row is None and opcode in _LOADS:
            status = _load(client, SubmissionFields(*fields), kernels)
            answered.append((cookie, status, 0, *_now_twice()))
            continue
        # The three checks are written out, because they run for every request and a call takes as long as a check.
        payload = aux = b""
        if in_len:
            if in_off < first or in_off + in_len > last:
                raise Violation(f"input of {in_len} bytes at {in_off} is outside of the slots")
            payload = mapping[in_off : in_off + in_len]
        if aux_len:
            if aux_off < first or aux_off + aux_len > last:
                raise Violation(f"aux of {aux_len} bytes at {aux_off} is outside of the slots")
            aux = mapping[aux_off : aux_off + aux_len]
        if out_off < first or out_off + out_max + sealed_bytes > last:
            raise Violation(f"output of {out_max} bytes at {out_off} is outside of the slots")
        if row is None:
            called = _called(client, opcode, key_id, payload, aux, sealed_bytes > 0)
            if isinstance(called, CompletionStatus):
                answered.append((cookie, called, 0, *_now_twice()))
                continue
            kernel, key, route = called
        else:
            kernel, key_class, route = row
            key = None
            if key_class is not None:
                key = keys.get(key_id)
                if not isinstance(key, key_class):
                    answered.append((cookie, CompletionStatus.NO_KEY, 0, *_now_twice()))
                    continue
            if in_len >= LONG_BYTES:
                route = _route_of_long(kernel)
        requests.append(
            ClientRequest(
                endpoint, route, cookie, kernel, key, payload, aux, out_off, out_max, sealed_bytes > 0, submitted_ns
            )
        )
    return requests, answered


def _load(client: ConnectedClient, submission: SubmissionFields, kernels: Kernels) -> CompletionStatus:
    """Loads a key, or opens a session: the status of the submission."""
    memory, keys = client.memory, client.keys
    if submission.operation == Opcode.KEY_LOAD:
        der = memory.take_secret(submission.in_off, submission.in_len)
        return keys.load(submission.key, der, has_checksum=bool(submission.flags & CHECKSUM))
    asked = memory.read(submission.aux_off, submission.aux_len)
    material = memory.take_secret(submission.in_off, submission.in_len) if submission.in_len else bytearray()
    return keys.open_session(submission.key, asked, material, kernels)


def _called(
    client: ConnectedClient, opcode: int, session_id: int, payload: bytes, aux: bytes, is_sealed: bool
) -> tuple[Kernel, Any, Route] | CompletionStatus:
    """The kernel and the key of a request that names a session, or why there are none."""
    if opcode != Opcode.CALL:
        return CompletionStatus.UNSUPPORTED
    session = client.keys.by_id.get(session_id)
    if not isinstance(session, Session | Kernel):
        return CompletionStatus.NO_KEY
    kernel, key = (session.kernel, session.key) if isinstance(session, Session) else (session, None)
    if kernel.check is not None:
        try:
            kernel.check(payload, aux, key)
        except SimError:
            return CompletionStatus.FAILED
    return sealed(kernel) if is_sealed else kernel, key, _route_of_long(kernel)


def _route_of_long(kernel: Kernel) -> Route:
    """The route of long work. RSA and elliptic curves compute without the GIL; other kernels run on the cores."""
    return Route.WORKER if kernel.asymmetric else Route.CORE


def _now_twice() -> tuple[int, int]:
    """The start and the end of a submission that is answered at once."""
    now_ns = monotonic_ns()
    return now_ns, now_ns
