"""`simaccel openssl`: which provider it takes, and what it says where there is none."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sim import UsageError
from simaccel.cli.openssl_setup import provider_files as provider_module
from simaccel.cli.openssl_setup.elf import libcrypto_of, needed
from simaccel.cli.openssl_setup.provider_files import provider_for, providers


def elf(path: Path, *libraries: str) -> Path:
    """A file that says it is linked to these, and has nothing else in it."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in libraries)
    offsets = [strings.index(name.encode()) for name in libraries]
    base, at = 0x1000, 64 + 2 * 56
    entries = [(1, offset) for offset in offsets] + [(5, base + at), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    header = struct.pack("<4sBB26xQ14xHH6x", b"\x7fELF", 2, 1, 64, 56, 2)
    load = struct.pack("<IIQQQQQQ", 1, 0, 0, base, base, 0x1000, 0x1000, 0)
    loaded = struct.pack("<IIQQQQQQ", 2, 0, at + len(strings), 0, 0, len(dynamic), len(dynamic), 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + load + loaded + strings + dynamic)
    path.chmod(0o755)
    return path


def test_what_a_file_is_linked_to(tmp_path: Path) -> None:
    program = elf(tmp_path / "program", "libz.so.1", "libssl.so.4", "libc.so.6")
    assert needed(program) == ["libz.so.1", "libssl.so.4", "libc.so.6"]
    assert libcrypto_of(program) == "libcrypto.so.4"
    assert libcrypto_of(elf(tmp_path / "other", "libc.so.6")) is None


@pytest.mark.parametrize("end", [0, 3, 63, 64, 100, 176, 180, 200, 250])
def test_what_is_no_program_or_torn_off_is_linked_to_nothing(tmp_path: Path, end: int) -> None:
    whole = elf(tmp_path / "program", "libcrypto.so.3").read_bytes()
    (tmp_path / "program").write_bytes(whole[:end])
    assert libcrypto_of(tmp_path / "program") in (None, "libcrypto.so.3")
    (tmp_path / "program").write_bytes(b"#!/bin/sh\n" + whole[10:])
    assert needed(tmp_path / "program") == []
    assert needed(tmp_path) == []
    assert needed(tmp_path / "missing") == []


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with providers for two libcryptos, and programs for three on the path."""
    folder = tmp_path / "provider"
    elf(folder / "simaccel.so", "libcrypto.so.3", "libc.so.6")
    elf(folder / "libcrypto.so.3" / "simaccel.so", "libcrypto.so.3")
    elf(folder / "libcrypto.so.4" / "simaccel.so", "libcrypto.so.4")
    for name, libraries in (
        ("openssl", ["libssl.so.4"]),
        ("haproxy", ["libssl.so.3", "libcrypto.so.3"]),
        ("future", ["libcrypto.so.5"]),
        ("curl", ["libcurl.so.4"]),
    ):
        elf(tmp_path / "bin" / name, *libraries)
    monkeypatch.setattr(provider_module, "providers", lambda: providers((folder,)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("SIMACCEL_MODULE", raising=False)
    return folder.resolve()


def test_a_program_gets_the_provider_of_its_own_libcrypto(built: Path) -> None:
    three, four = built / "simaccel.so", built / "libcrypto.so.4" / "simaccel.so"
    assert provider_for("haproxy") == three
    assert provider_for("openssl") == four
    assert provider_for() == provider_for("curl") == provider_for("no such program") == four  # as openssl
    assert provider_for("curl", "libcrypto.so.3") == three


def test_one_that_does_not_fit_is_an_error_and_not_a_crash_of_the_program(built: Path) -> None:
    for arguments in (("future",), (None, "libcrypto.so.5")):
        with pytest.raises(UsageError) as raised:
            provider_for(*arguments)
        who = ", to which future is linked" if arguments[0] else ""
        assert str(raised.value).startswith(
            f"this simaccel has no provider for libcrypto.so.5{who}, only for libcrypto.so.3 and libcrypto.so.4. "
        )
        assert "make provider OPENSSL=prefix in a checkout" in str(raised.value)


@pytest.mark.parametrize("libcrypto", ["libcrypto.so.1.1", "libcrypto.so.1.0.0", "libcrypto.so.10"])
def test_one_that_is_older_than_providers(built: Path, libcrypto: str) -> None:
    elf(built.parent / "bin" / "old", libcrypto)
    with pytest.raises(UsageError) as raised:
        provider_for("old")
    assert str(raised.value) == (
        f"no provider can run with {libcrypto}, to which old is linked: "
        "use a program with OpenSSL 3 or later (libcrypto.so.3)"
    )


def test_with_no_openssl_on_the_path_any_will_do(built: Path) -> None:
    (built.parent / "bin" / "openssl").unlink()
    assert provider_for() == built / "simaccel.so"


def test_the_environment_says_which_one(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = elf(built / "mine.so", "libcrypto.so.3")
    monkeypatch.setenv("SIMACCEL_MODULE", str(mine))
    assert provider_for("openssl") == mine
    monkeypatch.setenv("SIMACCEL_MODULE", "/no/such.so")
    with pytest.raises(UsageError, match=r"SIMACCEL_MODULE=/no/such\.so: there is no such file"):
        provider_for("openssl")


def test_nothing_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "providers", lambda: providers((tmp_path,)))
    monkeypatch.delenv("SIMACCEL_MODULE", raising=False)
    elf(tmp_path / "bin" / "haproxy", "libssl.so.3")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for program, beginning in (
        ("haproxy", "has no provider for libcrypto.so.3, to which haproxy is linked, nor for any other. Install"),
        ("no-such-program", "has no provider. Install a wheel that has it"),
    ):
        with pytest.raises(UsageError) as raised:
            provider_for(program)
        assert str(raised.value).startswith(f"this simaccel {beginning}")
        assert "make provider in a checkout" in str(raised.value)
