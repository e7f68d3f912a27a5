cimport cython

from engine.drivers.seats cimport Seats
from engine.drivers.ready_seats cimport ReadySeats, Seat
from engine.jobs.job cimport Job
from engine.offload.operation cimport Operation
from waitctx.context cimport WaitCtx

cdef class Scheduler:
    cdef object __weakref__
    cdef public object _new, _ready, _retries, _disturbed, _pump, _refusal
    cdef public Seats _seats
    cdef public dict _busy
    cdef public ReadySeats _ready_seats
    cdef public bint _running, _closed, _torn
    cdef public long long _fruitless, _progress

    cpdef run(self)
    cpdef keep_going(self, source)
    cpdef cancelled(self, job)
    @cython.locals(seat=Seat, job=Job, waiting=Operation)
    cpdef _turn(self)
    @cython.locals(seat=Seat, job=Job)
    cpdef _start_new(self)
    @cython.locals(job=Job)
    cpdef _resume(self, Seat seat)
    cpdef _resume_failed(self, Seat seat, Job job, error)
    @cython.locals(ctx=WaitCtx, job=Job, waiting=Operation)
    cpdef _park(self, Seat seat)
    @cython.locals(seat=Seat)
    cpdef _park_disturbed(self)
    cpdef _check_stalled(self)
