"""The bill of materials in a wheel: it fits the schema, and names what is there."""

from __future__ import annotations

import json
import runpy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from simaccel.version import __version__
from tests.project.source import PACKAGES, ROOT

MACHINE_CODE = ("hotpath/built/core-1.cpython-311-x86_64-linux-gnu.so", "simaccel/provider/libcrypto.so.3/simaccel.so")


def bill(machine_code: dict[str, Path]) -> dict[str, Any]:
    made: dict[str, Any] = runpy.run_path(str(ROOT / "packaging" / "bill_of_materials.py"))["bill_of_materials"](
        __version__, machine_code
    )
    return made


@pytest.fixture
def machine_code(tmp_path: Path) -> dict[str, Path]:
    """Files, by the names that they have in the wheel."""
    files = {name: tmp_path / str(number) for number, name in enumerate(MACHINE_CODE)}
    for name, path in files.items():
        path.write_text(name)
    return files


@pytest.mark.in_ci
@pytest.mark.parametrize("count", [0, 1, 2])
def test_it_fits_the_schema(machine_code: dict[str, Path], count: int) -> None:
    from cyclonedx.schema import SchemaVersion  # here, because its grammars take seconds to load
    from cyclonedx.validation.json import JsonStrictValidator

    made = bill(dict(list(machine_code.items())[:count]))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made)) is None
    made["components"][0]["type"] = "no such type"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made)) is not None


def test_it_names_all_machine_code_with_its_hash(machine_code: dict[str, Path]) -> None:
    made = bill(machine_code)
    files = {part["name"]: part["hashes"] for part in made["components"] if part["type"] == "file"}
    assert files == {
        name: [{"alg": "SHA-256", "content": sha256(path.read_bytes()).hexdigest()}]
        for name, path in machine_code.items()
    }
    assert made["metadata"]["component"]["version"] == __version__
    assert made == bill(machine_code)  # nothing in it changes from build to build


def test_it_names_all_that_we_took_from_others() -> None:
    vendored = {path.name.split(".")[0] for package in PACKAGES for path in (ROOT / package).rglob("vendor/*.js")}
    assert vendored == {part["name"] for part in bill({})["components"]}
