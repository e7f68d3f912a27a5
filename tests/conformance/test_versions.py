"""What differs between versions of libcrypto, and which of them simaccel follows.

The suite runs on whichever libcrypto it finds; SIMACCEL_LIBCRYPTO names another.
"""

from __future__ import annotations

import ctypes

from engine import openssl as simaccel_door
from tests.conformance.rules import differs
from tests.oracle.child import how_it_ends
from tests.oracle.libcrypto import Libcrypto, load

ABOVE_INT = 2**31


def known_to_take_size_zero(version: tuple[int, int, int]) -> bool | None:
    """What is known of args of size 0; None for releases that nobody here has looked at."""
    major, minor, patch = version
    if major >= 4 or version >= (3, 5, 7):
        return True
    if (major, minor) == (3, 0):
        return True if patch >= 20 else False if patch <= 17 else None
    return None


def test_args_of_size_zero_by_version(libcrypto: Libcrypto) -> None:
    known = known_to_take_size_zero(libcrypto.version)
    assert known is None or known == libcrypto.takes_size_zero


@differs(
    "ASYNC_init_thread",
    "max above INT_MAX: accepted up to 3.5, returns 0 in 3.6.5 and 4.0",
    "a Python int has no such bound, so it is accepted, as up to 3.5",
)
def test_pool_above_int_max(libcrypto: Libcrypto) -> None:
    answers = [libcrypto.lib.ASYNC_init_thread(size, 0) for size in (ABOVE_INT - 1, ABOVE_INT, 2**64 - 1)]
    libcrypto.lib.ASYNC_cleanup_thread()
    while libcrypto.pop_error():
        pass
    assert answers == ([1, 0, 0] if libcrypto.pool_max_is_int else [1, 1, 1])
    assert simaccel_door.ASYNC_init_thread(ABOVE_INT, 0) == 1
    simaccel_door.ASYNC_cleanup_thread()


def test_mem_functions_by_version(libcrypto: Libcrypto) -> None:
    assert libcrypto.has_mem_functions == (libcrypto.version >= (3, 2, 0))


@differs(
    "ASYNC_set_mem_functions, ASYNC_get_mem_functions",
    "since 3.2: the application allocates the stacks of jobs (asynctest.c's test_ASYNC_set_mem_functions)",
    "left out: a greenlet has no stack of its own that could be allocated",
)
def test_mem_functions(libcrypto: Libcrypto) -> None:
    assert not hasattr(simaccel_door, "ASYNC_set_mem_functions")
    if libcrypto.has_mem_functions:
        # Only before the first stack of a process is made, hence the child.
        assert how_it_ends(allocate_stacks_ourselves) == "(1, True, ['allocated', 'freed'])"


def allocate_stacks_ourselves() -> object:
    """For the child: what upstream's case does."""
    lib, calls = load().lib, list[str]()
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )

    def allocate(size: ctypes._Pointer[ctypes.c_size_t]) -> int:
        calls.append("allocated")
        address: int = libc.malloc(size.contents)
        return address

    def free(address: int) -> None:
        calls.append("freed")
        libc.free(address)

    allocate_type = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t))
    free_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    ours = allocate_type(allocate), free_type(free)
    answer = lib.ASYNC_set_mem_functions(*ours)
    stored = ctypes.c_void_p(), ctypes.c_void_p()
    lib.ASYNC_get_mem_functions(*map(ctypes.byref, stored))
    same = [place.value for place in stored] == [ctypes.cast(function, ctypes.c_void_p).value for function in ours]
    assert lib.ASYNC_init_thread(1, 1) == 1
    lib.ASYNC_cleanup_thread()
    return answer, same, calls
