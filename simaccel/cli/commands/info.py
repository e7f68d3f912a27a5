"""`simaccel info`: shows what this machine offers: cores, wake-ups, libcrypto, the GIL."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import resource
import select
import ssl
from collections.abc import Callable
from importlib.metadata import version

from cryptography.hazmat.backends.openssl import backend

import hotpath
from engine.offload.wake_fds import HAS_EVENTFD
from sim.kernels import Kernels
from sim.randomness import Randomness
from simaccel.cli.exits import OK
from simaccel.cli.gil_probe import releases_gil
from simaccel.cli.workload.software import MAKERS
from simaccel.version import __version__

LARGE_BYTES = 1 << 20
_PROBED = ("sha256", "aes-gcm-encrypt", "ecdsa-sign", "rsa-sign")


def command() -> Callable[[], int]:
    """Show what this machine offers: cores, fds, libcrypto and more."""
    return _print_info


def _print_info() -> int:
    for name, value in facts().items():
        print(f"{name + ':':14}{value}")
    return OK


def facts() -> dict[str, str]:
    """The facts, in the order in which they are printed. Takes about 100 ms, to find out which operations hold the
    GIL."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "simaccel": __version__,
        "Python": f"{platform.python_version()}, {platform.python_implementation()}",
        "hot path": hotpath.RUNNING,
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "cores": _cores(),
        "eventfd": "yes" if HAS_EVENTFD else "no: --notify fd works with pipes, two fds for each wait context",
        "epoll": "yes" if hasattr(select, "epoll") else "no: poll is used",
        "open files": f"at most {_limit(soft)}, can be raised to {_limit(hard)}",
        "libcrypto": f"{_system_libcrypto()}; Python's ssl has {ssl.OPENSSL_VERSION}",
        "cryptography": f"{version('cryptography')}, with {backend.openssl_version_text()}",
        "GIL": _gil(),
        "greenlet": version("greenlet"),
    }


def _cores() -> str:
    total = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    return f"{usable}" if usable == total else f"{usable} of {total}"


def _limit(value: int) -> str:
    return "any number" if value == resource.RLIM_INFINITY else f"{value:,}"


def _system_libcrypto() -> str:
    name = ctypes.util.find_library("crypto")
    if name is None:
        return "the system has none"
    try:
        library = ctypes.CDLL(name)
        library.OpenSSL_version.restype = ctypes.c_char_p
        text = library.OpenSSL_version(0)
    except (OSError, AttributeError) as error:
        return f"{name}, which can't be used ({error})"
    return f"{text.decode(errors='replace')} ({name})"


def _gil() -> str:
    """Which operations release the GIL while they run, and which hold it. It tries each of them."""
    kernels = Kernels()
    rng = Randomness(0).stream("info")
    answers: dict[bool, list[str]] = {True: [], False: []}
    for op in _PROBED:
        kernel, kind = kernels.get(op), MAKERS[op](op, rng)
        key = None if kernel.load is None else kernel.load(kind.key)
        request = kind.prepare(bytes(LARGE_BYTES if kind.generated_bytes > 1_000 else 32), rng)
        released = releases_gil(lambda: kernel.run(request.payload, request.aux, key))  # noqa: B023 - called at once
        answers[released].append(f"{op} ({'1 MiB' if len(request.payload) == LARGE_BYTES else 'a message'})")
    parts = [
        f"{word} by {', '.join(ops)}" for word, ops in (("released", answers[True]), ("HELD", answers[False])) if ops
    ]
    return "; ".join(parts)
