cimport cython

cdef class Interrupt:
    cdef public object _coalescing
    cdef public long long pending, _first_ns, fired
    cdef public bint masked
    cdef public dict on_masked

    cpdef pend(self, long long now_ns, long long count=*)
    cpdef bint is_due(self, long long now_ns) except -1
    cpdef ask(self, fn)
    cpdef notify(self)
    cpdef due_ns(self)
