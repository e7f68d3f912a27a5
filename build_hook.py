"""Puts the OpenSSL provider into the wheel, if it was built: one for each libcrypto."""

import runpy
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProviderHook(BuildHookInterface):
    """A wheel with machine code in it is for one machine; it has no part of Python's ABI, so it is for any Python 3."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if version == "editable":  # which finds it where it was built
            return
        built = Path(self.root, "provider", "build")
        libcrypto_of = runpy.run_path(str(Path(self.root, "simaccel", "cli", "openssl_setup", "elf.py")))[
            "libcrypto_of"
        ]
        taken: dict[str, Path] = {}
        for path in (built / "simaccel.so", *sorted(built.glob("*/simaccel.so"))):
            libcrypto = libcrypto_of(path)
            if libcrypto is not None:
                taken.setdefault(libcrypto, path)
        for libcrypto, path in taken.items():
            build_data["force_include"][str(path)] = f"simaccel/provider/{libcrypto}/simaccel.so"
        if taken:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"
