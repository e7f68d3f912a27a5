"""What is in a wheel: a bill of materials in the form of CycloneDX, which PEP 770 puts into .dist-info/sboms/.

It names what the metadata of a wheel does not: what we took from others into our package, and each file of machine
code with its hash, and what is compiled into it. libcrypto is not in the bill, because a provider is linked to the
libcrypto of the program that loads it. The packages that are installed beside a wheel are in its metadata
(Requires-Dist). The same build gives the same bill, which has no time and no random number in it.

The build runs this file, so it imports the standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LICENCES = {"simaccel": "Apache-2.0", "Cython": "Apache-2.0", "hatchling": "MIT", "uPlot": "MIT"}
UPLOT = "simaccel/watching/page/static/vendor/uPlot.iife.min.js"
"""The only thing in our package that others wrote is uPlot. The first line of this file says which version it is."""


def bill_of_materials(ours: str, machine_code: Mapping[str, Path]) -> dict[str, Any]:
    """The bill of the wheel of that version of simaccel, as plain data for JSON.

    `machine_code`: the files of machine code, by the names that they have in the wheel.
    """
    parts = [_uplot(), *(_machine_code(name, path) for name, path in sorted(machine_code.items()))]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": _package("pypi", "simaccel", ours),
            "tools": {"components": [_package("pypi", "hatchling", _installed("hatchling"))]},
        },
        "components": parts,
        "dependencies": [
            {"ref": f"pkg:pypi/simaccel@{ours}", "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }


def _uplot() -> dict[str, Any]:
    found = re.match(
        r"/\*! https://github\.com/leeoniya/uPlot \(v([\d.]+)\)", (ROOT / UPLOT).read_text(encoding="utf-8")
    )
    assert found is not None, f"{UPLOT} does not begin with its version"
    return _package("npm", "uPlot", found[1]) | {"hashes": _hashes(ROOT / UPLOT)}


def _machine_code(name: str, path: Path) -> dict[str, Any]:
    part = {"bom-ref": f"file:{name}", "type": "file", "name": name, "hashes": _hashes(path), "licenses": _licences()}
    if name.startswith("hotpath/"):
        part["description"] = "The hot path, compiled from our Python, with what Cython adds to each module."
        part["components"] = [_package("pypi", "Cython", _installed("Cython"))]
    else:
        libcrypto = name.split("/")[-2]
        part["description"] = f"The OpenSSL provider, linked to {libcrypto} of the program that loads it."
    return part


def _package(registry: str, name: str, its_version: str) -> dict[str, Any]:
    address = f"pkg:{registry}/{name.lower()}@{its_version}"
    return {
        "bom-ref": address,
        "type": "library",
        "name": name,
        "version": its_version,
        "purl": address,
        "licenses": _licences(name),
    }


def _licences(name: str = "simaccel") -> list[dict[str, Any]]:
    return [{"license": {"id": LICENCES[name]}}]


def _hashes(path: Path) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256(path.read_bytes()).hexdigest()}]


def _installed(name: str) -> str:
    """The version of a package that the build uses."""
    try:
        return version(name)
    except PackageNotFoundError:  # the hot path was compiled before, in another environment
        return "unknown"
