"""The same as tokens.py, which explains it, for the compiled hot path."""

from libc.errno cimport errno
from libc.stdint cimport uint64_t

cdef extern from "<sys/eventfd.h>":
    int eventfd_write(int fd, uint64_t value)
    int eventfd_read(int fd, uint64_t *value)

cdef uint64_t _counter
BUFFER = <size_t>&_counter


cpdef int write_tokens(int fd, unsigned long long count):
    """Put tokens into the eventfd. Returns 0, or -1: EAGAIN if it is full."""
    return eventfd_write(fd, count)


cpdef int read_tokens(int fd, size_t buffer):
    """Take all tokens out. Returns 0, or -1: EAGAIN if there was none."""
    return eventfd_read(fd, <uint64_t *>buffer)


cpdef int last_errno():
    """The errno of the last call here that did not return 0."""
    return errno
