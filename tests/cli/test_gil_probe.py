"""The probe that tells whether a function releases the GIL."""

from __future__ import annotations

import hashlib
import sys

import pytest

from simaccel.cli import gil_probe
from simaccel.cli.gil_probe import releases_gil


def test_a_large_hash_releases_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # However busy the machine is, at some time the other thread gets a core.
    monkeypatch.setattr(gil_probe, "TRIES", 100_000)
    data = bytes(1 << 20)
    assert releases_gil(lambda: hashlib.sha256(data))


def test_python_code_does_not_and_a_small_hash_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gil_probe, "TRY_NS", 0)
    monkeypatch.setattr(gil_probe, "TRIES", 3)
    assert not releases_gil(lambda: sum(range(100_000)))
    assert not releases_gil(lambda: [hashlib.sha256(b"small") for _ in range(1_000)])


def test_it_leaves_the_switch_interval_as_it_was() -> None:
    before = sys.getswitchinterval()
    with pytest.raises(ZeroDivisionError):
        releases_gil(lambda: 1 // 0)
    assert sys.getswitchinterval() == before
