"""Finds and loads a libcrypto with ctypes, and says what its version does differently.

SIMACCEL_LIBCRYPTO names the file to load; the default is that of the system. It is loaded by its path. So it may be a
second one beside the copy of Python's ssl module: each has its own symbols and its own state.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
from dataclasses import dataclass
from typing import Any

from tests.oracle.errors import OracleMissingError

VARIABLE = "SIMACCEL_LIBCRYPTO"

CLEANUP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
"""void cleanup(ASYNC_WAIT_CTX *, const void *key, OSSL_ASYNC_FD, void *custom_data)"""

_PTR, _INT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "ASYNC_WAIT_CTX_new": (_PTR, []),
    "ASYNC_WAIT_CTX_free": (None, [_PTR]),
    "ASYNC_WAIT_CTX_set_wait_fd": (_INT, [_PTR, _PTR, _INT, _PTR, _PTR]),
    "ASYNC_WAIT_CTX_get_fd": (_INT, [_PTR] * 4),
    "ASYNC_WAIT_CTX_get_all_fds": (_INT, [_PTR] * 3),
    "ASYNC_WAIT_CTX_get_changed_fds": (_INT, [_PTR] * 5),
    "ASYNC_WAIT_CTX_clear_fd": (_INT, [_PTR] * 2),
    "ASYNC_WAIT_CTX_set_callback": (_INT, [_PTR] * 3),
    "ASYNC_WAIT_CTX_get_callback": (_INT, [_PTR] * 3),
    "ASYNC_WAIT_CTX_set_status": (_INT, [_PTR, _INT]),
    "ASYNC_WAIT_CTX_get_status": (_INT, [_PTR]),
    "ASYNC_start_job": (_INT, [_PTR] * 5 + [_SIZE]),
    "ASYNC_pause_job": (_INT, []),
    "ASYNC_get_current_job": (_PTR, []),
    "ASYNC_get_wait_ctx": (_PTR, [_PTR]),
    "ASYNC_block_pause": (None, []),
    "ASYNC_unblock_pause": (None, []),
    "ASYNC_init_thread": (_INT, [_SIZE, _SIZE]),
    "ASYNC_cleanup_thread": (None, []),
    "ASYNC_is_capable": (_INT, []),
    "OSSL_LIB_CTX_new": (_PTR, []),
    "OSSL_LIB_CTX_set0_default": (_PTR, [_PTR]),
    "ERR_get_error": (ctypes.c_ulong, []),
    "ERR_reason_error_string": (ctypes.c_char_p, [ctypes.c_ulong]),
    "OpenSSL_version": (ctypes.c_char_p, [_INT]),
    "OpenSSL_version_num": (ctypes.c_ulong, []),
}


@dataclass(frozen=True, slots=True)
class Libcrypto:
    """A loaded libcrypto. `lib` has the functions of openssl/async.h, with their signatures set."""

    lib: ctypes.CDLL
    path: str
    version: tuple[int, int, int]
    version_text: str

    def address(self, function: str) -> int:
        """The address of a function, as a pointer of C."""
        return ctypes.cast(getattr(self.lib, function), ctypes.c_void_p).value or 0

    def pop_error(self) -> str | None:
        """The reason of the oldest entry of this thread's error queue, which it leaves; None if it is empty."""
        code = self.lib.ERR_get_error()
        if code == 0:
            return None
        reason: bytes | None = self.lib.ERR_reason_error_string(code)
        return "unnamed" if reason is None else reason.decode()

    @property
    def takes_size_zero(self) -> bool:
        """Whether ASYNC_start_job takes args of size 0 and hands NULL to the function.

        Up to 3.0.17 it asks malloc for 0 bytes and returns ASYNC_ERR. It is not documented which release of each series
        changed this, so we try it out. `test_versions` checks what we know.
        """
        return _takes_size_zero(self.path)

    @property
    def has_mem_functions(self) -> bool:
        """Whether jobs' stacks can be allocated by the application (ASYNC_set_mem_functions, since 3.2)."""
        return hasattr(self.lib, "ASYNC_set_mem_functions")

    @property
    def pool_max_is_int(self) -> bool:
        """Whether ASYNC_init_thread refuses a maximum above INT_MAX. 3.6.5 and 4.0 do, and 3.5 takes any size_t. Nobody
        here has looked at earlier releases of 3.6."""
        return self.version >= (3, 6, 5)


@functools.cache
def load() -> Libcrypto:
    """The libcrypto of this run. OracleMissingError if there is none or it can't switch contexts."""
    named = os.environ.get(VARIABLE)
    path = named or ctypes.util.find_library("crypto")
    if not path:
        raise OracleMissingError(f"no libcrypto found; set {VARIABLE} to the path of one")
    try:
        lib = ctypes.CDLL(path)
    except OSError as error:
        if named:  # a user who names a libcrypto wants that one, and not a skip
            raise
        raise OracleMissingError(f"{path} does not load: {error}") from error
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(lib, name)
        except AttributeError as error:
            raise OracleMissingError(f"{path} lacks {name}: OpenSSL 3.0 or later is needed") from error
        function.restype, function.argtypes = result, arguments
    if not lib.ASYNC_is_capable():
        raise OracleMissingError(f"{path} was built without the means to switch contexts")
    number = lib.OpenSSL_version_num()
    return Libcrypto(
        lib=lib,
        path=path,
        version=(number >> 28, number >> 20 & 0xFF, number >> 4 & 0xFF),
        version_text=lib.OpenSSL_version(0).decode(),
    )


@functools.cache
def _takes_size_zero(path: str) -> bool:
    libcrypto = load()
    assert libcrypto.path == path
    job, ret = ctypes.c_void_p(), ctypes.c_int()
    capable = libcrypto.address("ASYNC_is_capable")  # the function of the job; any harmless one will do
    answer = libcrypto.lib.ASYNC_start_job(
        ctypes.byref(job), None, ctypes.byref(ret), capable, ctypes.c_char_p(b"x"), 0
    )
    libcrypto.lib.ASYNC_cleanup_thread()
    while libcrypto.pop_error():
        pass
    return bool(answer)
