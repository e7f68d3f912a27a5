cimport cython

cdef struct Row:
    long long time_ns, head, extra, more

cdef struct Head:
    unsigned char length, counter
    unsigned char event[13]

@cython.final
cdef class Rows:
    cdef Row *_rows
    cdef Py_ssize_t _count, _room
    cdef Head *_heads
    cdef Py_ssize_t _head_count, _head_room

    cdef unsigned char *_write(self, unsigned char *at, Py_ssize_t count) noexcept nogil
    cpdef put(self, long long time_ns, long long head, long long extra, long long more=*)
