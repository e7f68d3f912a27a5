cimport cython

from engine.drivers.ready_seats cimport ReadySeats, Seat
from engine.jobs.job cimport Job
from waitctx.context cimport WaitCtx

cdef class Seats:
    cdef public dict busy
    cdef public list _idle
    cdef public ReadySeats ready_seats

    @cython.locals(seat=Seat, idle=list)
    cpdef Seat take(self, Job job)
    @cython.locals(ctx=WaitCtx)
    cpdef leave(self, Seat seat)
    cpdef end(self, Seat seat)
    cpdef _cancel(self, Seat seat)
    @cython.locals(seat=Seat, job=Job)
    cpdef mend(self)
    cpdef close(self, errors)
    cpdef _unwatch(self, Seat seat)
    cpdef _forget(self, Seat seat)
