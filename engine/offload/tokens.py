"""Tokens in an eventfd or a pipe: the system calls that put and take them, made without giving up the GIL.

`os.eventfd_read` gives the GIL away for a call of 0.2 us, and while a worker runs it takes 5 to 10 us to get it back.
With 64 jobs by fd that was half of all time (105,000 operations/s, and 160,000 with the functions here).
`os.eventfd_write` is as bad: the thread that the first token wakes would take the GIL from the thread that is still
writing the others. The same goes for `os.read` and `os.write` of a pipe. All these fds are non-blocking, so no call
here waits.

Where the hot path is compiled, tokens.pyx replaces this file: the same functions, without ctypes.
"""

from __future__ import annotations

import ctypes

_libc = ctypes.PyDLL(None, use_errno=True)  # a PyDLL keeps the GIL
_counter = ctypes.c_uint64()
BUFFER: int = ctypes.addressof(_counter)
"""For `read_tokens`. Nobody needs the value that it reads, so all reads share this."""
last_errno = ctypes.get_errno
"""The errno of the last call here that returned -1."""

if hasattr(_libc, "eventfd_write"):
    write_tokens = _libc.eventfd_write
    """write_tokens(fd, count) puts tokens into the eventfd. Returns 0, or -1: EAGAIN if it is full."""
    write_tokens.argtypes = [ctypes.c_int, ctypes.c_uint64]
    read_tokens = _libc.eventfd_read
    """read_tokens(fd, BUFFER) takes all tokens out. Returns 0, or -1: EAGAIN if there was none."""
    read_tokens.argtypes = [ctypes.c_int, ctypes.c_void_p]

MOST_BYTES = 512
"""How many bytes `read_bytes` takes at most."""
_bytes = ctypes.create_string_buffer(MOST_BYTES)
_write, _read = _libc.write, _libc.read
_write.argtypes = _read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
_write.restype = _read.restype = ctypes.c_ssize_t


def write_byte(fd: int) -> int:
    """Put a byte into a pipe. Returns 1, or -1: EAGAIN if the pipe is full, EPIPE if it has no reader."""
    return _write(fd, _bytes, 1)  # type: ignore[no-any-return]


def read_bytes(fd: int) -> int:
    """Take up to MOST_BYTES out of a pipe. Returns how many, 0 if it has no writer, or -1: EAGAIN if it is empty."""
    return _read(fd, _bytes, MOST_BYTES)  # type: ignore[no-any-return]
