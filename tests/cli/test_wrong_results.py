"""A device that fails, or lies, is found out: exit code 1, and lines that say where."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from sim.kernels import registry
from tests.cli.cli import Cli


def _replace(monkeypatch: pytest.MonkeyPatch, op: str, run: Any) -> None:
    """Plant another kernel under that name in every device made from now on."""
    planted = tuple(
        dataclasses.replace(kernel, run=run) if kernel.name == op else kernel for kernel in registry.BUILT_IN
    )
    monkeypatch.setattr(registry, "BUILT_IN", planted)


def test_wrong_result(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    _replace(monkeypatch, "sha256", lambda payload, aux, key: bytes(32))
    run = cli("run", "--op", "sha256", "--op", "null", "--count", "8", "--notify", "callback", "--json", "-")
    assert run.code == 1
    document = json.loads(run.out)
    assert document["ok"] is False
    assert (document["ways"][0]["verified"], document["ways"][0]["wrong"]) == (4, 4)
    wrong = [line for line in run.errors if line.startswith("simaccel: sha256 of")]
    assert len(wrong) == 4
    assert all(line.endswith(", by callback: the result is wrong") for line in wrong)


def test_failed_operation(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(payload: bytes, aux: bytes, key: Any) -> bytes:
        raise ValueError("the unit\nis on fire")

    _replace(monkeypatch, "echo", broken)
    run = cli("run", "--op", "echo", "--count", "25", "--notify", "fd")
    assert run.code == 1
    assert "0 results verified, 25 operations FAILED, 0 WRONG" in run.text
    assert len(run.errors) == 11  # ten in full, one line each, and how many more
    assert run.errors[0].endswith(", by fd: the device failed echo: the unit is on fire")
    assert run.errors[-1] == "simaccel: and 15 more like these"


@pytest.mark.parametrize("blocks", [1, 3])
def test_wrong_digest_is_not_printed(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, blocks: int) -> None:
    monkeypatch.setattr("simaccel.cli.workload.files.BLOCK_BYTES", 8)
    _replace(monkeypatch, "sha256", lambda payload, aux, key: bytes(32))
    monkeypatch.setattr("simaccel.cli.workload.digests.PartialHashes.run", lambda self, payload: bytes(32))
    path = tmp_path / "file"
    path.write_bytes(b"12345678" * blocks)
    run = cli("run", "--digests", str(path))
    assert (run.code, run.out) == (1, b"")
    assert run.errors[-1] == f"simaccel: {path}, by fd: the digest is wrong"
