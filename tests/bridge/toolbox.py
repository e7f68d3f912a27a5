"""What is compiled once for all tests of this folder, and how programs are run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.keys import rsa_bytes
from tests.limits import PATIENT, WAIT_S

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

PREFIX = os.environ.get("SIMACCEL_OPENSSL", "")
"""Another OpenSSL than the system's, as `build_openssl.sh` makes it. HAProxy, nginx and curl use the system's."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An OpenSSL: the folder that it was installed into, or "" for the system's."""

    prefix: str

    @property
    def path(self) -> str:
        """PATH for programs that are to find this one's `openssl`."""
        return f"{self.prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin" if self.prefix else "/usr/sbin:/usr/bin:/sbin:/bin"

    @property
    def flags(self) -> list[str]:
        """For the C compiler. `debian_openssl.sh` brings a libc and a loader of its own."""
        if not self.prefix:
            return []
        flags = [f"-I{self.prefix}/include", f"-L{self.prefix}/lib", f"-Wl,-rpath,{self.prefix}/lib"]
        loader = Path(self.prefix, "lib", "loader.so")
        return [*flags, f"-Wl,--dynamic-linker={loader},--allow-shlib-undefined"] if loader.exists() else flags


USUAL = Installed(PREFIX)
"""The OpenSSL that most tests use."""

PATH = USUAL.path

AFTER_SIGNAL = 200
"""How many operations `jobs.c` runs after the signal that ends it."""

ALL_KINDS = "rsa-pkcs1,rsa-pss,rsa-oaep,ecdsa,ed25519,x25519"

_CONFIG = """\
openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[algorithms]
default_properties = ?simaccel.offload=yes
[providers]
simaccel = simaccel_section
default = default_section
[simaccel_section]
module = {module}
activate = 1
[default_section]
activate = 1
"""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The provider, an openssl.cnf that loads it, the program that verifies, and the one that mistreats."""

    folder: Path
    provider: Path
    config: Path
    jobs: Path
    lifecycle: Path
    openssl: Installed

    @classmethod
    def built_in(cls, folder: Path, openssl: Installed = USUAL) -> Toolbox:
        """What `build` has made in that folder."""
        provider = folder / "provider" / "simaccel.so"
        return cls(folder, provider, folder / "openssl.cnf", folder / "jobs", folder / "lifecycle", openssl)

    @classmethod
    def build_provider(cls, folder: Path, openssl: Installed = USUAL, *, sanitize: bool = False) -> Toolbox:
        """Compiles the provider alone. `sanitize`: with AddressSanitizer and UBSan."""
        made = cls.built_in(folder, openssl)
        out = made.provider.parent
        extra = [*(["SANITIZE=1"] if sanitize else []), *([f"OPENSSL={openssl.prefix}"] if openssl.prefix else [])]
        # What the sanitizers look at is compiled in half the time without the optimiser.
        more = {"CFLAGS": "-O0 -g"} if sanitize else {}
        _run(["make", f"-j{os.cpu_count()}", "-C", str(ROOT / "provider"), f"OUT={out}", *extra], more)
        made.config.write_text(_CONFIG.format(module=made.provider))
        return made

    @classmethod
    def build(cls, folder: Path, *, sanitize: bool = False) -> Toolbox:
        """Compiles all. `sanitize`: with AddressSanitizer and UBSan."""
        made = cls.build_provider(folder, sanitize=sanitize)
        flags = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"] if sanitize else ["-O2"]
        flags += made.openssl.flags
        key = folder / "rsa.pem"
        key.write_bytes(rsa_bytes())
        flags.append(f'-DRSA_KEY_FILE="{key}"')
        for program in (made.jobs, made.lifecycle):
            sources = [str(HERE / f"{name}.c") for name in (program.name, "load", "forbid_threads")]
            _run(["cc", "-g", "-Wall", "-Wextra", *flags, "-o", str(program), *sources, "-lcrypto", "-pthread"])
        return made

    def compile(self, binary: Path, *sources: Path, static: bool = False, sanitize: bool = False) -> None:
        """Compiles a C program of a test. It uses the libcrypto of the tests, or with `static` has one inside it."""
        flags = self.openssl.flags
        flags += ["-fsanitize=address,undefined"] if sanitize else []
        libcrypto = ["-l:libcrypto.a", *_needs_of_static_libcrypto()] if static else ["-lcrypto"]
        warnings = ["-Wall", "-Wextra", "-Werror"]
        _run(["cc", "-g", "-O1", *warnings, *flags, "-o", str(binary), *map(str, sources), *libcrypto, "-pthread"])

    def environment(self, address: str, **settings: object) -> dict[str, str]:
        """For a program that is to use the device at that address. It waits as long for it as PATIENT says."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SIMACCEL_")}
        environment.update(OPENSSL_CONF=str(self.config), SIMACCEL_SOCKET=address, PATH=self.openssl.path)
        settings = {**PATIENT, **settings}
        environment.update({f"SIMACCEL_{name.upper()}": str(value) for name, value in settings.items()})
        return environment

    def start_jobs(
        self, address: str, mode: str, jobs: int, count: int, kinds: str = ALL_KINDS, *more: str, **settings: object
    ) -> subprocess.Popen[str]:
        """Starts the verifying program. A `count` of 0: it runs until `end_jobs`."""
        environment = self.environment(address, **settings)
        del environment["OPENSSL_CONF"]  # it loads the provider itself
        command = [str(self.jobs), str(self.provider), mode, str(jobs), str(count), kinds, *more]
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run_jobs(
        self, address: str, mode: str, jobs: int, count: int, kinds: str = ALL_KINDS, *more: str, **settings: object
    ) -> dict[str, int]:
        """Runs the verifying program to its end. Returns what it counted. Fails if a result is wrong or missing."""
        return finish(self.start_jobs(address, mode, jobs, count, kinds, *more, **settings))


def end_jobs(process: subprocess.Popen[str]) -> dict[str, int]:
    """Ends a verifying program with a `count` of 0, after AFTER_SIGNAL operations more. Returns what it counted."""
    process.send_signal(signal.SIGUSR1)
    return finish(process)


def finish(process: subprocess.Popen[str]) -> dict[str, int]:
    """Waits for the verifying program. Returns what it counted.

    Without a time limit: the program ends itself when nothing completes for WATCHDOG_SECONDS of `jobs.c`.
    """
    out, err = process.communicate()
    assert process.returncode == 0, f"exit {process.returncode}: {out}{err}"
    counted: dict[str, int] = json.loads(out)
    assert counted["bad"] == 0
    return counted


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    text: bytes = b"",
    check: bool = True,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program with a watchdog."""
    done = subprocess.run(
        command, env=environment, input=text, capture_output=True, timeout=WAIT_S, cwd=cwd, check=False
    )
    if check:
        assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
    return done


def _run(command: Sequence[str], variables: Mapping[str, str] = MappingProxyType({})) -> None:
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"


def _needs_of_static_libcrypto() -> list[str]:
    """The libraries that the system's libcrypto.a needs. From 3.6 on Debian's compresses certificates."""
    described = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "", "pkgconfig", "libcrypto.pc")
    found = re.search(r"^Libs\.private:(.*)$", described.read_text(), re.MULTILINE) if described.exists() else None
    return found[1].split() if found else ["-ldl"]


def by_op(report: Mapping[str, Any], op: str) -> int:
    """How many operations of a kind a device has done."""
    return int(report["by_op"].get(op, 0))
