cdef class Gate:
    cdef public object lock, hook, refusal
    cdef public bint checks_submits

    cpdef bint change_refusal(self, why, instead_of) except -1
