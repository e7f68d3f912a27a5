cimport cython

from engine.offload.tokens cimport last_errno, read_bytes, read_tokens, write_byte, write_tokens

@cython.locals(code=int)
cpdef bint _is_full() except -1

cdef class WakeFd:
    cdef object __weakref__
    cdef public object lock, _closing
    cdef public int fd

    cpdef bint put(self) except -1
    cpdef bint put_locked(self) except -1
    cpdef bint drain(self) except -1
    cpdef _move_to_closing(self)
    cpdef close(self)
    cpdef disown(self)
    cpdef _lost(self)

cdef class EventFd(WakeFd):
    cpdef bint put_locked(self) except -1
    cpdef bint drain(self) except -1

cdef class Pipe(WakeFd):
    cdef public int _write_fd

    cpdef bint put_locked(self) except -1
    @cython.locals(count=int, found=bint)
    cpdef bint drain(self) except -1
