"""`simaccel run --digests` against the real sha256sum: the same bytes on stdout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.modes import NOTIFY
from simaccel.cli.workload.digests import HEADER_BYTES, PartialHashes
from simaccel.cli.workload.files import BLOCK_BYTES
from tests.cli.cli import Cli, child
from tests.effort import some

NAMES = ["plain", "two words", "back\\slash", "line\nfeed", "carriage\rreturn", "tab\t", "\udcff\udcfe", "-dash", "ü"]
SIZES = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 5 * BLOCK_BYTES + 7]


def _sha256sum(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["sha256sum", *arguments], input=stdin, capture_output=True).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of all names and sizes that matter."""
    for position, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(os.urandom(SIZES[position % len(SIZES)]))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "below").write_bytes(b"below")
    return tmp_path


@pytest.mark.parametrize("way", [*NOTIFY, "all"])
def test_equals_sha256sum(cli: Cli, folder: Path, way: str) -> None:
    paths = [str(folder / name) for name in reversed(NAMES)] * 2
    run = cli("run", "--op", "sha256", "--digests", "--notify", way, "--jobs", "3", *paths)
    assert run.code == 0, run.errors
    assert run.out == _sha256sum(*paths)
    (line,) = run.errors
    assert "seed" in line


def test_a_folder_gives_what_sha256sum_gives_of_its_files(cli: Cli, folder: Path) -> None:
    run = cli("run", "--digests", str(folder))
    names = sorted(os.fsencode(path) for path in folder.rglob("*") if path.is_file())
    assert run.out == _sha256sum(*map(os.fsdecode, names))


def test_paths_are_printed_as_given(folder: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert cli("run", "--digests", "./plain", "sub//below", "--", "-dash").out == _sha256sum(
        "./plain", "sub//below", "--", "-dash"
    )
    for given_as, below in [(".", "./sub/below"), ("sub", "sub/below"), ("sub/", "sub/below")]:
        assert _sha256sum(below) in cli("run", "--digests", given_as).out


def test_what_is_missing_is_told_and_the_rest_is_done(cli: Cli, folder: Path) -> None:
    paths = [str(folder / "plain"), str(folder / "no such"), str(folder / "ü")]
    run = cli("run", "--digests", *paths)
    assert run.code == 1
    assert run.out == _sha256sum(*paths)
    assert run.errors[1:] == [f"simaccel: '{folder}/no such': No such file or directory"]


@pytest.mark.parametrize("paths", some([[], ["-"], ["-", "pyproject.toml"]], 2))
def test_standard_input(paths: list[str]) -> None:
    data = os.urandom(2 * BLOCK_BYTES + 3)
    run = child("run", "--digests", *paths, stdin=data)
    assert run.code == 0
    assert (
        run.out
        == subprocess.run(["sha256sum", *paths], input=data, capture_output=True, cwd=Path(__file__).parents[2]).stdout
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=20)), max_size=40))
@example([])
def test_partial_hashes_of_many_files_do_not_mix(parts: list[tuple[int, bytes]]) -> None:
    import hashlib

    kernel = PartialHashes()
    whole = dict.fromkeys(range(4), b"")
    for number, data in parts:
        whole[number] += data
        assert kernel.run(number.to_bytes(HEADER_BYTES - 1, "big") + b"\0" + data) == b""
    for number, data in whole.items():
        last = kernel.run(number.to_bytes(HEADER_BYTES - 1, "big") + b"\1" + b"end")
        assert last == hashlib.sha256(data + b"end").digest()
