"""The hook of the build, without hatchling: what it takes, what it builds, and for which machine."""

from __future__ import annotations

import os
import runpy
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.cli.test_openssl import elf
from tests.project.source import ROOT

INTERFACE = "hatchling.builders.hooks.plugin.interface"


class Told:
    """Stands for hatchling, which hands on what the hook says."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def display_warning(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """`wheel()` is what the hook says of the wheel of `tree`, which has the files that it reads; `app` what it says."""
    for module in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
    interface = ModuleType(INTERFACE)
    vars(interface)["BuildHookInterface"] = object
    monkeypatch.setitem(sys.modules, INTERFACE, interface)
    for name in ("SIMACCEL_PURE", "SIMACCEL_MACHINE"):
        monkeypatch.delenv(name, raising=False)
    for folder in ("packaging", "simaccel", "provider", "hotpath"):
        (tmp_path / folder).mkdir()
    for file in ("__init__.py", "build.py"):  # compiles nothing
        (tmp_path / "hotpath" / file).write_text("")
    (tmp_path / "packaging" / "bill_of_materials.py").symlink_to(ROOT / "packaging" / "bill_of_materials.py")
    (tmp_path / "simaccel" / "cli").symlink_to(ROOT / "simaccel" / "cli")
    hook = runpy.run_path(str(ROOT / "build_hook.py"))["MachineCode"]()
    hook.root, hook.app, hook.metadata = str(tmp_path), Told(), SimpleNamespace(version="1")

    def wheel() -> dict[str, Any]:
        data: dict[str, Any] = {"force_include": {}, "sbom_files": []}
        hook.initialize("standard", data)
        assert [Path(path).name for path in data.pop("sbom_files")] == ["simaccel.cdx.json"]
        hook.finalize("standard", data, "")
        return data

    return SimpleNamespace(wheel=wheel, tree=tmp_path, app=hook.app)


def test_what_can_not_be_built_is_left_out_and_said(build: SimpleNamespace) -> None:
    assert build.wheel() == {"force_include": {}}
    assert build.app.warnings == ["without the OpenSSL provider: it takes make, a C compiler and OpenSSL's headers"]


def test_a_provider_is_built_if_there_is_none(build: SimpleNamespace) -> None:
    made = elf(build.tree / "made.so", "libcrypto.so.3")
    makefile = f"all:\n\tmkdir build\n\tcp {made} build/simaccel.so\n"
    (build.tree / "provider" / "Makefile").write_text(makefile)
    there = {str(build.tree / "provider" / "build" / "simaccel.so"): "simaccel/provider/libcrypto.so.3/simaccel.so"}
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    expected = {"force_include": there, "pure_python": False, "tag": f"py3-none-{platform}"}
    assert build.wheel() == expected
    (build.tree / "provider" / "Makefile").write_text("all:\n\tfalse\n")  # it is not built again
    assert build.wheel() == expected
    assert not build.app.warnings


def test_pure_builds_nothing_and_takes_what_was_built(build: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMACCEL_PURE", "1")
    (build.tree / "provider" / "Makefile").write_text("all:\n\ttouch called\n")
    assert build.wheel() == {"force_include": {}}
    assert not (build.tree / "provider" / "called").exists()
    elf(build.tree / "provider" / "build" / "libcrypto.so.4" / "simaccel.so", "libcrypto.so.4")
    assert list(build.wheel()["force_include"].values()) == ["simaccel/provider/libcrypto.so.4/simaccel.so"]


def test_for_another_machine_the_names_are_of_that(build: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMACCEL_MACHINE", "riscv64")
    elf(build.tree / "provider" / "build" / "simaccel.so", "libcrypto.so.3")
    name = f"core-1.cpython-311-{os.uname().machine}-linux-gnu.so"
    (build.tree / name).write_bytes(b"")
    (build.tree / "hotpath" / "build.py").write_text(f"print({str(build.tree / name)!r})")
    data = build.wheel()
    assert "hotpath/built/core-1.cpython-311-riscv64-linux-gnu.so" in data["force_include"].values()
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    assert data["tag"] == f"{python}-{python}-linux_riscv64"


def test_an_editable_installation_gets_nothing(build: SimpleNamespace) -> None:
    hook = runpy.run_path(str(ROOT / "build_hook.py"))["MachineCode"]()
    data: dict[str, Any] = {}
    hook.initialize("editable", data)
    hook.finalize("editable", data, "")
    assert data == {}
