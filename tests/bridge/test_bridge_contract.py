"""A device in another process passes the contract suite of accelerators, whatever its timing, and does every kernel."""

from __future__ import annotations

import hmac
import random
from functools import partial

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine import Engine, Scheduler
from sim.kernels import Kernels
from simaccel.bridge import connect
from simaccel.cli.workload.software import MAKERS
from simaccel.testing import check_accelerator
from tests.bridge.device import SERVE, DeviceProcess

SIGNER = Ed25519PrivateKey.generate()


def _verifies(payload: bytes, signature: bytes) -> bool:
    try:
        SIGNER.public_key().verify(signature, payload)
    except InvalidSignature:
        return False
    return True


SESSIONS = {
    "hmac": (b"k" * 32, lambda payload, result: result == hmac.digest(b"k" * 32, payload, "sha256")),
    "ed25519-sign": (SIGNER, _verifies),
}


@pytest.mark.parametrize("timing", [(), ("--latency", "uniform:5us,50us", "--units", "2"), ("--workers", "2")])
def test_the_contract_suite_passes(timing: tuple[str, ...]) -> None:
    with DeviceProcess(None, *timing, module=SERVE) as device:
        check_accelerator(lambda: connect(device.address, depth=8), sessions=SESSIONS)


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_every_kernel_does_what_software_does(device: DeviceProcess, notify: str) -> None:
    assert set(MAKERS) == set(Kernels().by_name)
    rng = random.Random(1)
    with connect(device.address, depth=16) as accel, Engine(accel, notify) as engine, Scheduler() as scheduler:
        for op, maker in MAKERS.items():
            kind = maker(op, rng)
            session = None if kind.key is None else engine.session(op, kind.key)
            for size in (1, 100):
                prepared = kind.prepare(rng.randbytes(size), rng)
                call = partial(engine.call, op, prepared.payload, aux=prepared.aux, session=session)
                job = scheduler.spawn(call)
                scheduler.run()
                assert prepared.right(job.result()), op
        statistics = accel.statistics()
    assert dict(statistics.by_op) == dict.fromkeys(sorted(MAKERS), 2)
    assert statistics.submitted == statistics.completed == 2 * len(MAKERS)
    assert statistics.failed == statistics.in_flight == 0
