"""Finds the OpenSSL provider, in the wheel or in a checkout. There is one for each libcrypto that it was built for.

A provider is linked to its libcrypto. So it also loads if a program has opened that libcrypto only for itself, as
Python's ssl does. But a provider for another libcrypto would load a second libcrypto into the process.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sim import UsageError
from simaccel.cli.openssl_setup.elf import libcrypto_of

FOLDERS = (
    Path(__file__).parents[2] / "provider",  # in the wheel
    Path(__file__).parents[3] / "provider" / "build",  # in a checkout
)
NAME = "simaccel.so"


def providers(folders: tuple[Path, ...] = FOLDERS) -> dict[str, Path]:
    """The providers by the libcrypto that they are for. One for the system's libcrypto, which `make provider` builds,
    comes before one for a libcrypto in a prefix."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in (folder / NAME, *sorted(folder.glob(f"*/{NAME}"))):
            libcrypto = libcrypto_of(path)
            if libcrypto is not None:
                found.setdefault(libcrypto, path.resolve())
    return dict(sorted(found.items()))


def provider_for(program: str | None = None, libcrypto: str | None = None) -> Path:
    """The provider for this libcrypto. The default is the libcrypto of the program, or else of the program openssl.

    If SIMACCEL_MODULE is set, it names the provider. Raises UsageError if there is none.
    """
    said = os.environ.get("SIMACCEL_MODULE")
    if said:
        if not Path(said).is_file():
            raise UsageError(f"SIMACCEL_MODULE={said}: there is no such file")
        return Path(said).resolve()
    found = providers()
    if not found:
        raise UsageError(
            "no provider was built: call make provider in a checkout (it takes gcc and libssl-dev), and point "
            f"SIMACCEL_MODULE at provider/build/{NAME} there if this is another installation"
        )
    wanted = libcrypto or _linked_to(program)
    if wanted is None:  # the program is a script, or opens its libcrypto later
        wanted = _linked_to("openssl")
        if wanted not in found:
            wanted = next(iter(found))
    if wanted not in found:
        why = "" if libcrypto else f" that {program} is linked to"
        raise UsageError(
            f"no provider was built for the {wanted}{why}, only for {' and '.join(found)}: call make provider "
            "OPENSSL=prefix in a checkout"
        )
    return found[wanted]


def _linked_to(program: str | None) -> str | None:
    path = None if program is None else shutil.which(program)
    return None if path is None else libcrypto_of(Path(path))
