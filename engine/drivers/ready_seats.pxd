cimport cython

from engine.jobs.job cimport Job
from engine.offload.wake_fds cimport WakeFd
from hotpath.spinning cimport Spinner
from waitctx.context cimport WaitCtx

cdef class Seat:
    cdef public WaitCtx ctx
    cdef public Job job
    cdef public object fds, foreign
    cdef public bint woken, eagain
    cdef public int errors

cdef class ReadySeats:
    cdef public object ready, _forget, _poller
    cdef public dict _by_fd
    cdef public WakeFd _bell
    cdef public Spinner _spinner
    cdef public long long _sleeping, _rung, _sleeps

    @cython.locals(sleep=cython.longlong)
    cpdef wake(self, Seat seat)
    @cython.locals(sleep=cython.longlong, seat=Seat)
    cpdef call_all(self, list seats)
    cpdef _end_sleep(self)
    cpdef watch(self, Seat seat)
    cpdef unwatch(self, Seat seat)
    cpdef _unwatch_fd(self, Seat seat, fd)
    cpdef look(self)
    cpdef sleep(self, timeout_ns, polled)
    cpdef rouse(self)
    cpdef close(self)
    @cython.locals(seat=Seat)
    cpdef _take_events(self, timeout_ns)
