"""The same as tokens.py, which explains it, for the compiled hot path."""

from libc.errno cimport errno
from libc.stdint cimport uint64_t
from posix.unistd cimport read, write

cdef extern from "<sys/eventfd.h>":
    int eventfd_write(int fd, uint64_t value)
    int eventfd_read(int fd, uint64_t *value)

MOST_BYTES = 512

cdef uint64_t _counter
cdef char[512] _bytes
BUFFER = <size_t>&_counter


cpdef int write_tokens(int fd, unsigned long long count):
    """Put tokens into the eventfd. Returns 0, or -1: EAGAIN if it is full."""
    return eventfd_write(fd, count)


cpdef int read_tokens(int fd, size_t buffer):
    """Take all tokens out. Returns 0, or -1: EAGAIN if there was none."""
    return eventfd_read(fd, <uint64_t *>buffer)


cpdef int write_byte(int fd):
    """Put a byte into a pipe. Returns 1, or -1: EAGAIN if the pipe is full, EPIPE if it has no reader."""
    return <int>write(fd, _bytes, 1)


cpdef int read_bytes(int fd):
    """Take up to MOST_BYTES out of a pipe. Returns how many, 0 if it has no writer, or -1: EAGAIN if it is empty."""
    return <int>read(fd, _bytes, 512)


cpdef int last_errno():
    """The errno of the last call here that returned -1."""
    return errno
