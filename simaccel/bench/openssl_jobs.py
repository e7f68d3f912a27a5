"""OpenSSL's own jobs as a contender: a small C program, which is compiled here and run for each turn."""

from __future__ import annotations

import atexit
import ctypes.util
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]


class CannotBuildError(Exception):
    """There is no compiler, or no libcrypto."""


def turn_ns(what: str, count: int) -> float:
    """The ns for an operation. `what` is "pair" (a pause and resume), or "callback" or "eventfd" (a whole cycle).

    Raises CannotBuildError.
    """
    program, library = build(), libcrypto()
    run = subprocess.run([program, library, what, str(count)], capture_output=True, text=True, check=True)
    return float(run.stdout)


@functools.cache
def libcrypto() -> str:
    """The name under which the loader finds libcrypto, or the name in SIMACCEL_LIBCRYPTO."""
    name = os.environ.get("SIMACCEL_LIBCRYPTO") or ctypes.util.find_library("crypto")
    if name is None:
        raise CannotBuildError("no libcrypto: name one with SIMACCEL_LIBCRYPTO")
    return name


@functools.cache
def build() -> str:
    """The path of the compiled program, in a folder that is removed when this process ends."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CannotBuildError("no C compiler (cc, gcc, clang)")
    folder = tempfile.mkdtemp(prefix="simaccel-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = os.path.join(folder, "openssl_jobs")
    try:
        subprocess.run([compiler, *FLAGS, SOURCE, "-o", program, "-ldl"], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise CannotBuildError(f"the C program does not build: {error.stderr.strip().splitlines()[0]}") from None
    return program


def missing() -> str | None:
    """Why this contender can't run on this machine; None if it can."""
    try:
        turn_ns("pair", 10)
    except (CannotBuildError, subprocess.CalledProcessError, OSError) as error:
        detail = getattr(error, "stderr", None)
        return f"OpenSSL's C jobs are missing: {detail.strip() if detail else error}"
    return None
