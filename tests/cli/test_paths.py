"""Paths: files read in blocks, folders walked, what can't be read reported while the rest goes on."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from simaccel.cli.shell_quoting import quoted
from simaccel.cli.workload import files
from simaccel.cli.workload.files import Unreadable, blocks, walk
from tests.cli.cli import Cli


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two folders, an empty file, one of several blocks, links and a FIFO."""
    root = tmp_path / "tree"
    (root / "b" / "deep").mkdir(parents=True)
    (root / "c-empty").mkdir()
    (root / "a").write_bytes(b"")
    (root / "b" / "deep" / "long").write_bytes(os.urandom(2 * files.BLOCK_BYTES + 5))
    (root / "b" / "exact").write_bytes(os.urandom(files.BLOCK_BYTES))
    (root / "z").write_bytes(b"last")
    (root / "b" / "loop").symlink_to(root)
    (root / "link").symlink_to(root / "z")
    os.mkfifo(root / "fifo")
    return root


def _fail(report: Unreadable) -> None:
    pytest.fail(str(report))


def _blocks(*paths: object) -> tuple[list[tuple[str, int, int]], list[str]]:
    reports: list[str] = []
    found = [
        (block.path, block.offset, len(block.data))
        for block in blocks(map(str, paths), lambda report: reports.append(str(report)))
    ]
    return found, reports


def test_a_folder_is_walked_in_order_and_links_are_not_followed(tree: Path) -> None:
    size = files.BLOCK_BYTES
    found, reports = _blocks(tree)
    assert found == [
        (f"{tree}/a", 0, 0),
        (f"{tree}/b/deep/long", 0, size),
        (f"{tree}/b/deep/long", size, size),
        (f"{tree}/b/deep/long", 2 * size, 5),
        (f"{tree}/b/exact", 0, size),
        (f"{tree}/z", 0, 4),
    ]
    assert reports == []


def test_a_link_that_is_named_is_followed(tree: Path) -> None:
    assert _blocks(tree / "link") == ([(f"{tree}/link", 0, 4)], [])


def test_deep_folders(tmp_path: Path) -> None:
    # Deeper than Python's recursion; by steps, as one path of that length is too long for the system.
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f", os.O_CREAT, dir_fd=here))
    os.close(here)
    try:
        assert len(list(walk([str(tmp_path)], _fail))) == 1
    finally:  # pytest's own way to remove it is recursive
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_unreadable_paths_are_reported_once_and_the_rest_is_done(cli: Cli, tree: Path) -> None:
    run = cli("run", str(tree / "z"), str(tree / "nothing"), "nul\0", str(tree / "a"), "--json", "-")
    assert run.code == 1
    document = json.loads(run.out)
    assert document["ok"] is False
    assert [way["verified"] for way in document["ways"]] == [4, 4, 4]  # two files, two operations, three ways
    problems = [line for line in run.errors if line.startswith("simaccel: ")]
    assert problems == [
        f"simaccel: {tree}/nothing: No such file or directory",
        "simaccel: 'nul'$'\\000': embedded null byte",
    ]


def test_unreadable_folder(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    scandir = os.scandir

    def refuse(path: str) -> Any:  # the tests may run as root, whom no mode keeps out
        if path.endswith("/b"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found, reports = _blocks(tree)
    assert [Path(path).name for path, _, _ in found] == ["a", "z"]
    assert reports == [f"{tree}/b: Permission denied"]


def test_a_file_that_fails_half_way(monkeypatch: pytest.MonkeyPatch, cli: Cli, tree: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= files.BLOCK_BYTES:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    def opened(path: Any, *arguments: Any, **options: Any) -> Any:
        return (
            Failing(bytes(files.BLOCK_BYTES * 3)) if str(path).endswith("long") else open(path, *arguments, **options)
        )

    monkeypatch.setattr(files, "open", opened, raising=False)
    monkeypatch.setattr("simaccel.cli.workload.digests.open", opened, raising=False)
    found, reports = _blocks(tree)
    assert [offset for path, offset, _ in found if path.endswith("long")] == [0]
    assert reports == [f"{tree}/b/deep/long: Input/output error"]
    run = cli("run", "--digests", str(tree))
    assert run.code == 1
    assert run.errors[1:] == [f"simaccel: {tree}/b/deep/long: Input/output error"]
    assert len(run.out.splitlines()) == 3


def test_an_empty_folder_is_no_failure(cli: Cli, tree: Path) -> None:
    run = cli("run", str(tree / "c-empty"), "--notify", "fd")
    assert (run.code, run.errors) == (0, [])
    assert "nothing to do" in run.text
    assert "verified" not in run.text


def test_where_nothing_can_be_read_nothing_is_verified(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    run = cli("run", "/nonexistent", "--json", str(target))
    assert (run.code, run.errors) == (1, ["simaccel: /nonexistent: No such file or directory"])
    assert "verified" not in run.text
    document = json.loads(target.read_text())
    assert document["ok"] is False
    assert [way["verified"] for way in document["ways"]] == [0]


def test_count_ends_early(cli: Cli, tree: Path) -> None:
    run = cli("run", str(tree), "--notify", "fd", "--count", "3")
    assert "all 3 results verified" in run.text


NAMES = [
    "plain",
    "a b",
    "n\nl",
    "back\\slash",
    "cr\rx",
    "tab\tx",
    "sq'x",
    "sq's p",
    "co:lon",
    'dq"x',
    "a$b",
    "~x",
    "#x",
]
NAMES += [
    "a=b",
    "a#b",
    "a~b",
    "a{b",
    "a*b",
    "a\n'b",
    "\nb",
    "a'b\"c",
    "nö",
    "\udcff\udcfe",
    "q?",
    "[x]",
    "x]",
    "{a}",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_quoted_as_sha256sum_does(name: str) -> None:
    missing = f"/nonexistent/{name}"
    done = subprocess.run(
        ["sha256sum", missing], capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
    )
    shown = str(Unreadable(missing, "No such file or directory"))
    assert f"sha256sum: {shown}\n".encode(errors="surrogateescape") == done.stderr


def test_a_name_is_always_one_line() -> None:
    assert quoted("a\nb") == "'a'$'\\n''b'"
