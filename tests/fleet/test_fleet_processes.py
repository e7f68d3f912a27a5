"""A fleet of device processes: kill -9 one under load, and nothing is lost; start it again, and it comes back."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from engine import Engine, Scheduler
from simaccel.fleet import Fleet
from tests.bridge.device import SERVE, DeviceProcess
from tests.limits import WAIT_NS
from tests.waiting import wait_until

KEY = ec.generate_private_key(ec.SECP256R1())
JOBS, EACH = 24, 20


def test_a_killed_process_loses_nothing_and_comes_back() -> None:
    with DeviceProcess(None, module=SERVE) as first, DeviceProcess(None, module=SERVE) as second:
        addresses = first.address, second.address
        fleet = Fleet(addresses, retry_ns=20_000_000, patience_ns=WAIT_NS, depth=16)
        with fleet, Engine(fleet, "callback") as engine, Scheduler() as scheduler:
            session = engine.session("ecdsa-sign", KEY)
            done = []

            def job(number: int) -> list[bytes]:
                results = []
                for turn in range(EACH):
                    results.append(engine.sha256(bytes([number, turn])))
                    signature = engine.ecdsa_sign(session, b"data")
                    KEY.public_key().verify(signature, b"data", ec.ECDSA(hashes.SHA256()))
                    done.append(number)
                    if len(done) == JOBS * EACH // 3:
                        first.kill()
                return results

            jobs = [scheduler.spawn(job, number) for number in range(JOBS)]
            scheduler.run()
            for number, ended in enumerate(jobs):
                assert ended.result() == [hashlib.sha256(bytes([number, turn])).digest() for turn in range(EACH)]
            member = fleet.members[0]
            wait_until(lambda: not member.up)
            assert fleet.statistics().total.failed == 0
            with DeviceProcess(first.address, module=SERVE) as again:
                wait_until(lambda: member.up)
                scheduler.map(job, range(8))
                assert again.stat()["by_op"]["ecdsa-sign"] > 0
