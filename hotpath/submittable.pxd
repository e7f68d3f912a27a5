cdef class Submittable:
    cdef public object op, payload, aux, session, kernel, key, result, error
    cdef public long long submitted_ns, started_ns, finished_ns

    cpdef complete(self)
