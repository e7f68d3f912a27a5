from hotpath.submittable cimport Submittable

cdef class Request(Submittable):
    cdef public object on_complete
    cdef public bint completed

    cpdef complete(self)
