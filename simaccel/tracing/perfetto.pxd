cdef class PerfettoTrace:
    cdef public object file, _name
    cdef public long long _until_flush, _devices, _submitted, _alive
    cdef public dict _numbers, _things, _counts, _names, _draw

    cpdef number(self, request)
    cpdef long long identify(self, kind, thing, name) except -1
    cpdef _add_rarer(self, time_ns, number, request, what, tuple details)
