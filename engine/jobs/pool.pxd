cdef class Pool:
    cdef public list idle
    cdef public object max_size
    cdef public long long created

    cpdef check_room(self)
