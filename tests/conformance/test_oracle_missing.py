"""Where the oracle is missing, tests skip visibly; in CI they fail, so that no green run is an empty one."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import oracle_or_skip
from tests.oracle import driver, libcrypto
from tests.oracle.errors import OracleMissingError


def missing() -> None:
    raise OracleMissingError("no such thing")


def test_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        oracle_or_skip(missing)


def test_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such thing"):
        oracle_or_skip(missing)


def test_without_a_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(libcrypto.VARIABLE, raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(OracleMissingError, match=libcrypto.VARIABLE):
        libcrypto.load.__wrapped__()


def test_with_a_wrong_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(libcrypto.VARIABLE, "/nowhere/libcrypto.so")
    with pytest.raises(OSError, match="nowhere"):
        libcrypto.load.__wrapped__()


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OracleMissingError, match="compiler"):
        driver.build()
