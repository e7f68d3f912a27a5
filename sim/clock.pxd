cdef class VirtualClock:
    cdef public object _now_ns
    cdef public list _devices
    cdef public bint _stepping, _owes_step

    cpdef now_ns(self)
    cpdef jump(self)
    cpdef advance(self, duration_ns)
    cpdef advance_to(self, time_ns)
    cpdef _check_outside(self)
    cpdef _step(self)
