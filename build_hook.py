"""Puts machine code into the wheel: the compiled hot path, and the OpenSSL providers. And a bill of what is in it.

Both are compiled now if need be, where there is a C compiler, and for the provider the headers of OpenSSL. Providers
that were built in provider/build are taken as they are. SIMACCEL_PURE=1 compiles nothing. Without machine code the
wheel is for any machine: Python runs, and the OpenSSL provider is missing.

An editable install gets none of this: what is built in the checkout is found there, and `make` builds it.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MachineCode(BuildHookInterface):
    """A wheel with machine code in it is for one machine. With the hot path it is also for one version of Python."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if version == "editable":
            return
        compiles = os.environ.get("SIMACCEL_PURE", "0") in ("", "0")
        providers = self._providers() or (self._built_provider() if compiles else {})
        hot_path = self._hot_path() if compiles else None
        machine_code = {f"simaccel/provider/{name}/simaccel.so": path for name, path in providers.items()}
        if hot_path is not None:
            machine_code[f"hotpath/built/{_name_on_target(hot_path.name)}"] = hot_path
        for name, path in machine_code.items():
            build_data["force_include"][str(path)] = name
        if machine_code:
            python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{_target()}" if hot_path is None else f"{python}-{python}-{_target()}"
        self._bill = self._bill_file(machine_code)
        build_data["sbom_files"].append(str(self._bill))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling after it has built."""
        if version != "editable":
            shutil.rmtree(self._bill.parent)

    def _providers(self) -> dict[str, Path]:
        """The providers that were built: the libcrypto of each, and its path."""
        built = Path(self.root, "provider", "build")
        libcrypto_of = self._from("simaccel/cli/openssl_setup/elf.py", "libcrypto_of")
        taken: dict[str, Path] = {}
        for path in (built / "simaccel.so", *sorted(built.glob("*/simaccel.so"))):
            libcrypto = libcrypto_of(path)
            if libcrypto is not None:
                taken.setdefault(libcrypto, path)
        return taken

    def _built_provider(self) -> dict[str, Path]:
        """The provider for the system's libcrypto, built now. Empty if it can't be: all else works without."""
        try:
            done = subprocess.run(["make", "-C", "provider"], cwd=self.root, capture_output=True, check=False)
        except OSError:
            done = None
        if done is None or done.returncode != 0:
            self.app.display_warning("without the OpenSSL provider: it takes make, a C compiler and OpenSSL's headers")
            return {}
        return self._providers()

    def _hot_path(self) -> Path | None:
        """The compiled hot path, compiled now if need be. None if it can't be: the wheel works without."""
        command = [sys.executable, "-m", "hotpath.build", "--print"]
        done = subprocess.run(command, cwd=self.root, stdout=subprocess.PIPE, text=True, check=False)
        path = done.stdout.strip()
        return Path(path) if done.returncode == 0 and path else None

    def _bill_file(self, machine_code: dict[str, Path]) -> Path:
        """A file with the bill of materials, in a folder of its own."""
        bill = self._from("packaging/bill_of_materials.py", "bill_of_materials")(self.metadata.version, machine_code)
        path = Path(tempfile.mkdtemp(), "simaccel.cdx.json")
        path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
        return path

    def _from(self, file: str, name: str) -> Any:
        """A function of one of our files. Our packages can't be imported here: what they need may not be installed."""
        return runpy.run_path(str(Path(self.root, file)))[name]


def _target() -> str:
    """What the wheel runs on, as in its name. CC may compile for another machine, if SIMACCEL_MACHINE names it."""
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    machine = os.environ.get("SIMACCEL_MACHINE")
    return f"linux_{machine}" if machine else platform


def _name_on_target(extension: str) -> str:
    """The name of an extension module of this Python on that machine."""
    machine = os.environ.get("SIMACCEL_MACHINE")
    return extension.replace(f"-{os.uname().machine}-", f"-{machine}-") if machine else extension
