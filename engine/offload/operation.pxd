cimport cython

from hotpath.submittable cimport Submittable

cdef class Waker:
    cdef public object owner, batch_callback, arg
    cdef public bint blocking, silent_eagain, erred

    cpdef wait_for_slot(self, Operation operation)
    cpdef wait_for_completion(self, Operation operation)
    cpdef bint resumed(self, Operation operation) except -1
    cpdef wake(self, Operation operation)
    cpdef nudge(self)
    cpdef end_badly(self)
    cpdef end_well(self)

cdef class Operation(Submittable):
    cdef public object verdict, timer
    cdef public dict flight
    cdef public Waker waker
    cdef public bint done, fired, submitted, completed, turn, promised
    cdef public long long resumed_ns

    cpdef complete(self)
    cpdef wake(self)
    cpdef fail(self, verdict)
    cpdef _wake_again(self, error)
    cpdef abandon(self)

@cython.locals(operation=Operation, waker=Waker, args=list)
cpdef _complete_all(operations, report)
