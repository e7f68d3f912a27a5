"""Compile driver.c, and run job scripts on libcrypto with it."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
from itertools import accumulate
from pathlib import Path

from tests.oracle.errors import OracleMissingError
from tests.oracle.libcrypto import Libcrypto, load
from tests.oracle.script import Code, Program, Trace

SOURCE = Path(__file__).with_name("driver.c")
FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
FUNCTIONS = [
    *(
        f"ASYNC_WAIT_CTX_{name}"
        for name in (
            *("new", "free", "set_wait_fd", "get_fd", "get_all_fds", "get_changed_fds", "clear_fd"),
            *("set_callback", "get_callback", "set_status", "get_status"),
        )
    ),
    *(
        f"ASYNC_{name}"
        for name in (
            *("start_job", "pause_job", "get_current_job", "get_wait_ctx", "block_pause", "unblock_pause"),
            *("init_thread", "cleanup_thread"),
        )
    ),
    "OSSL_LIB_CTX_new",
    "OSSL_LIB_CTX_set0_default",
]

_INTS = ctypes.POINTER(ctypes.c_int32)


class _Program(ctypes.Structure):
    _fields_ = (("ops", _INTS), ("starts", _INTS), ("args", ctypes.c_char_p), ("args_starts", _INTS))


def build() -> Path:
    """The compiled driver, made anew when its source or the flags changed. OracleMissingError without a compiler."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise OracleMissingError("no C compiler (cc, gcc, clang): job scripts can't run on libcrypto")
    content = SOURCE.read_bytes() + " ".join([compiler, *FLAGS]).encode()
    # Beside the byte code: it is a cache of the same kind, and no tool takes it for source.
    target = SOURCE.with_name("__pycache__") / f"driver-{hashlib.sha256(content).hexdigest()[:16]}.so"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        own = target.with_suffix(f".{os.getpid()}.so")  # two runs at once must not read half a file
        subprocess.run([compiler, *FLAGS, "-o", own, SOURCE], check=True)
        own.replace(target)
    return target


class Driver:
    """Job scripts on libcrypto. One at a time, on the thread that asks: jobs belong to their thread."""

    def __init__(self, libcrypto: Libcrypto) -> None:
        self._lib = ctypes.CDLL(str(build()))
        self._lib.driver_run.argtypes = [ctypes.POINTER(_Program), _INTS, ctypes.c_int32]
        self._lib.driver_run.restype = ctypes.c_int32
        addresses = [libcrypto.address(name) for name in FUNCTIONS]
        self._lib.driver_bind((ctypes.c_void_p * len(addresses))(*addresses))
        self._room = (ctypes.c_int32 * 100_000)()

    def run(self, program: Program) -> Trace:
        """The trace of a program on libcrypto."""
        lists = [program.host, *program.bodies]
        numbers = [n for operations in lists for op in operations for n in op]
        starts = [0, *accumulate(len(operations) for operations in lists)]
        args_starts = [0, *accumulate(len(text) for text in program.args)]
        joined = b"".join(program.args) or b"\0"
        used = self._lib.driver_run(
            _Program(_ints(numbers), _ints(starts), joined, _ints(args_starts)), self._room, len(self._room)
        )
        if used > len(self._room):
            raise ValueError(f"a trace of {used} values: make the program smaller")
        return _decode(self._room[:used])


@functools.cache
def driver() -> Driver:
    """The driver onto the libcrypto of this run. OracleMissingError if one of the two is missing."""
    return Driver(load())


def _ints(values: list[int]) -> ctypes.Array[ctypes.c_int32]:
    return (ctypes.c_int32 * max(1, len(values)))(*values)


def _decode(values: list[int]) -> Trace:
    trace: Trace = []
    at = 0
    while at < len(values):
        code, count = values[at : at + 2]
        trace.append((Code(code).name, *values[at + 2 : at + 2 + count]))
        at += 2 + count
    return trace
