"""Puts machine code into the wheel: the compiled hot path, and the OpenSSL provider if it was built.

Without a C compiler, and with SIMACCEL_PURE=1, there is no compiled hot path in it, and Python runs. An editable
install gets neither: what is built in the checkout is found there (`python -m hotpath.build`, which `make` calls).
"""

import os
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MachineCode(BuildHookInterface):
    """A wheel with machine code in it is for one machine. With the hot path it is also for one version of Python."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if version == "editable":
            return
        providers, hot_path = self._providers(), self._hot_path()
        for libcrypto, path in providers.items():
            build_data["force_include"][str(path)] = f"simaccel/provider/{libcrypto}/simaccel.so"
        if hot_path is not None:
            build_data["force_include"][str(hot_path)] = f"hotpath/built/{hot_path.name}"
        if providers or hot_path is not None:
            python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}" if hot_path is None else f"{python}-{python}-{platform}"

    def _providers(self) -> dict[str, Path]:
        """The providers that were built: the libcrypto of each, and its path."""
        built = Path(self.root, "provider", "build")
        libcrypto_of = runpy.run_path(str(Path(self.root, "simaccel", "cli", "openssl_setup", "elf.py")))[
            "libcrypto_of"
        ]
        taken: dict[str, Path] = {}
        for path in (built / "simaccel.so", *sorted(built.glob("*/simaccel.so"))):
            libcrypto = libcrypto_of(path)
            if libcrypto is not None:
                taken.setdefault(libcrypto, path)
        return taken

    def _hot_path(self) -> Path | None:
        """The compiled hot path, compiled now if need be. None if it can't be: the wheel works without."""
        if os.environ.get("SIMACCEL_PURE", "0") not in ("", "0"):
            return None
        command = [sys.executable, "-m", "hotpath.build", "--print"]
        done = subprocess.run(command, cwd=self.root, stdout=subprocess.PIPE, text=True, check=False)
        path = done.stdout.strip()
        return Path(path) if done.returncode == 0 and path else None
