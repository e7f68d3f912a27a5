cdef class Request:
    cdef public object op, payload, aux, session, on_complete, kernel, key, result, error
    cdef public long long submitted_ns, started_ns, finished_ns
    cdef public bint completed

    cpdef complete(self)
