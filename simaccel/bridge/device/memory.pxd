cdef class Memory:
    cdef public object callers, fd, layout, bytes, cq_tail, sq_head, mapping
    cdef object _mask, _words

    cpdef list fetch(self, limit, outstanding)
    cpdef has_submissions(self)
    cpdef complete(self, list completions)
    cpdef count(self, submitted, completed, failed)
