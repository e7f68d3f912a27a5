"""Tokens in an eventfd: the two system calls, made without giving up the GIL.

`os.eventfd_read` gives the GIL away for a call of 0.2 us, and while a worker runs it takes 5 to 10 us to get it back.
With 64 jobs by fd that was half of all time (105,000 operations/s, and 160,000 with the functions here).
`os.eventfd_write` is as bad: the thread that the first token wakes would take the GIL from the thread that is still
writing the others.

Where the hot path is compiled, tokens.pyx stands for this file: the same functions, without ctypes.
"""

from __future__ import annotations

import ctypes

_libc = ctypes.PyDLL(None, use_errno=True)  # a PyDLL keeps the GIL
_counter = ctypes.c_uint64()
BUFFER: int = ctypes.addressof(_counter)
"""For `read_tokens`. Nobody needs the value that it reads, so all reads share this."""
last_errno = ctypes.get_errno
"""The errno of the last call here that did not return 0."""

if hasattr(_libc, "eventfd_write"):
    write_tokens = _libc.eventfd_write
    """write_tokens(fd, count) puts tokens into the eventfd. Returns 0, or -1: EAGAIN if it is full."""
    write_tokens.argtypes = [ctypes.c_int, ctypes.c_uint64]
    read_tokens = _libc.eventfd_read
    """read_tokens(fd, BUFFER) takes all tokens out. Returns 0, or -1: EAGAIN if there was none."""
    read_tokens.argtypes = [ctypes.c_int, ctypes.c_void_p]
