"""The software that results are checked against: agrees with every kernel, and with no result that is off by a bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.kernels import Kernels
from sim.randomness import Randomness
from simaccel.cli.workload import software
from simaccel.cli.workload.software import MAKERS, SoftwareOperation
from tests.keys import rsa_key

RNG = Randomness(1).stream("requests")


@pytest.fixture(scope="module")
def kinds() -> dict[str, SoftwareOperation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(software, "_rsa_key", rsa_key)
        return {op: make(op, Randomness(1).stream(op)) for op, make in MAKERS.items()}


def test_every_kernel_can_be_checked() -> None:
    assert sorted(MAKERS) == Kernels().names()


@pytest.mark.parametrize("op", MAKERS)
@given(data=st.data())
def test_agrees_with_the_kernel_and_with_nothing_else(
    kinds: dict[str, SoftwareOperation], op: str, data: st.DataObject
) -> None:
    kind, kernel = kinds[op], Kernels().get(op)
    largest = min(kind.generated_bytes, 300)
    request = kind.prepare(data.draw(st.binary(max_size=largest)), RNG)
    key = None if kernel.load is None else kernel.load(kind.key)
    if kernel.check is not None:
        kernel.check(request.payload, request.aux, key)
    result = kernel.run(request.payload, request.aux, key)
    assert request.right(result)
    assert not request.right(result + b"\0")
    if result:
        position = data.draw(st.integers(0, 65_535)) % (8 * len(result))
        flipped = bytearray(result)
        flipped[position // 8] ^= 1 << position % 8
        assert not request.right(bytes(flipped))
        assert not request.right(b"")
