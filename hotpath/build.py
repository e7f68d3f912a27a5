"""Compiles the hot path: `python -m hotpath.build`. Does nothing if it is compiled already.

With `--print` it prints the path of the extension, or nothing if there is none.

It needs Cython, a C compiler and Python's headers. Where one of them is missing it says so in one line, and the program
ends with status 0, because everything works without: the Python modules run.

Each module becomes a C file and an object file, in parallel, and all of them are linked to one extension. Its name
holds the hash of the sources, see `hotpath.choice`. It is put in place when it is whole. After that, extensions that
were made from other sources are removed. The object files are kept, so that the next build compiles only what has
changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from hotpath.choice import ROOT, extension, source_files

DIRECTIVES = {
    "language_level": "3",
    "annotation_typing": "False",  # the types are those of the .pxd: an annotation `int` is no C int
    "embedsignature": "False",
    "auto_pickle": "False",
    "optimize.use_switch": "False",
}
C_FLAGS = (
    *("-O1", "-g0", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing"),
    "-Werror=incompatible-pointer-types",  # an error by itself in clang and in gcc from 14 on
)


TAG = EXTENSION_SUFFIXES[0].removesuffix(".so")
"""The part of a file's name that says for which version of Python it is."""


class MissingError(Exception):
    """Something that a build needs is not there; the message says what."""


def build() -> Path:
    """Compile, and return the path of the extension. Raises MissingError, and CalledProcessError if a command fails."""
    path = Path(extension())
    if path.exists():
        return path
    compiler, include = _needs()
    kept = path.parent / "objects"
    kept.mkdir(parents=True, exist_ok=True)
    command = [*compiler, *C_FLAGS, f"-I{include}", "-c"]
    with tempfile.TemporaryDirectory(dir=path.parent) as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(name)

        def compiled(c_file: Path) -> Path:
            found = kept / f"{_hash(c_file, command)}{TAG}.o"
            if not found.exists():
                _run(*command, c_file, "-o", folder / found.name)
                (folder / found.name).replace(found)
            return found

        objects = list(pool.map(compiled, _c_files(folder)))
        _run(*compiler, "-shared", *objects, "-o", folder / path.name)
        (folder / path.name).replace(path)
    for other in (*path.parent.glob(f"core-*{TAG}.so"), *kept.glob(f"*{TAG}.o")):
        if other not in (path, *objects):
            other.unlink(missing_ok=True)
    return path


def _c_files(folder: Path) -> list[Path]:
    """The C files of all modules, made by one run of Cython, which takes a third of the time of many."""
    directives = [f"--directive={name}={value}" for name, value in DIRECTIVES.items()]
    sources = [file for file in source_files() if file.endswith((".py", ".pyx")) and file != "hotpath/build.py"]
    sources = [file for file in sources if file + "x" not in sources]
    _run(sys.executable, "-m", "cython", *directives, *sources, "-o", folder)
    return sorted(folder.glob("*.c"))


def _hash(c_file: Path, command: list[str]) -> str:
    """The hash of the C file, the flags and the compiler: an object file made from the same can be used again."""
    return hashlib.blake2b(c_file.read_bytes() + repr(command).encode(), digest_size=8).hexdigest()


def _needs() -> tuple[list[str], Path]:
    """The command of the compiler, and the folder of Python's headers."""
    if sys.implementation.name != "cpython":
        raise MissingError(f"{sys.implementation.name} is not CPython")
    if importlib.util.find_spec("Cython") is None:
        raise MissingError("Cython is not installed")
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        raise MissingError(f"there is no C compiler {compiler[0]!r}")
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        raise MissingError(f"there is no {include / 'Python.h'}")
    return compiler, include


def _run(*command: str | Path) -> None:
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main() -> int:
    """Build, and say so on stderr. The exit status is 1 only if the compiler failed, not if there is none."""
    begin = time.monotonic()
    path = Path(extension())
    if not path.exists():
        print("compiling the hot path, once (some 25 seconds on two idle cores)", file=sys.stderr, flush=True)
        try:
            build()
        except MissingError as missing:
            print(f"the hot path is not compiled, and runs as plain Python: {missing}", file=sys.stderr)
            return 0
        except subprocess.CalledProcessError as error:
            print(error.output.decode(errors="replace"), file=sys.stderr)
            print("the hot path could not be compiled, and runs as plain Python", file=sys.stderr)
            return 1
        print(f"compiled the hot path in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    if sys.argv[1:] == ["--print"]:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
