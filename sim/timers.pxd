cimport cython

cdef class Timer:
    cdef public Timers _timers
    cdef public object fn
    cdef public bint begun

    cpdef cancel(self)

cdef class Timers:
    cdef public object incoming, _serial
    cdef public long long cancelled
    cdef public list heap

    cpdef call_at(self, due_ns, fn)
    cpdef bint has_news(self) except -1
    cpdef _absorb(self)
    cpdef next_due_ns(self)
    cpdef first_due(self, now_ns)
    cpdef drop(self, Timer timer)
