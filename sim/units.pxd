cdef class UnitBank:
    cdef public object _count
    cdef public list _free_at

    cpdef check(self, unit)
    cpdef tuple assign(self, now_ns, service_ns)
    cpdef stall(self, unit, until_ns)
    cpdef reset(self)
