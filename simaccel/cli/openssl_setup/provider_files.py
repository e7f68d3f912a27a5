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
OLDEST = "libcrypto.so.3"
"""Of the first OpenSSL that has providers. The names of all older ones sort before it."""


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
    wanted = libcrypto or _linked_to(program)
    who = "" if libcrypto else f", to which {program} is linked"
    if wanted is None:  # the program is a script, or opens its libcrypto later
        wanted, who = _linked_to("openssl"), ", to which openssl is linked"
        if wanted not in found:
            wanted = next(iter(found), wanted)
    if wanted not in found:
        raise UsageError(_why_none(wanted, who, found))
    return found[wanted]


def _why_none(wanted: str | None, who: str, found: dict[str, Path]) -> str:
    """Names the libcrypto of the program, those that there are providers for, and the cure."""
    if wanted is None:
        what = "this simaccel has no provider"
    elif wanted < OLDEST:
        return f"no provider can run with {wanted}{who}: use a program with OpenSSL 3 or later ({OLDEST})"
    else:
        others = f"only for {' and '.join(found)}" if found else "nor for any other"
        what = f"this simaccel has no provider for {wanted}{who}, {others}"
    prefix = " OPENSSL=prefix" if found else ""
    return (
        f"{what}. Install a wheel that has it (manylinux), or call make provider{prefix} in a checkout (it takes gcc "
        f"and OpenSSL's headers) and point SIMACCEL_MODULE at the {NAME} below provider/build there"
    )


def _linked_to(program: str | None) -> str | None:
    path = None if program is None else shutil.which(program)
    return None if path is None else libcrypto_of(Path(path))
