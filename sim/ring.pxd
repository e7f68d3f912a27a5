cimport cython

from hotpath.submittable cimport Submittable

cdef class SubmissionRing:
    cdef public long long depth, mask, tail, rung, head, reaped, high_water
    cdef public list slots

    @cython.locals(outstanding=cython.longlong)
    cpdef bint push(self, Submittable request) except -1
    @cython.locals(waiting=cython.longlong, first=cython.longlong, last=cython.longlong)
    cpdef list announced(self)
    @cython.locals(slots=list, first=cython.longlong, last=cython.longlong)
    cpdef clear(self, long long count)

cdef class Echo:
    cdef public Submittable request

cdef class CompletionRing:
    cdef public object entries
    cdef public long long depth, echoes, reaped, taken

    cpdef check_room(self, long long count)
