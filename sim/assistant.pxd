cimport cython

from hotpath.submittable cimport Submittable
from sim.completion cimport Reaper
from sim.device cimport Device
from sim.ring cimport CompletionRing, SubmissionRing
from sim.submission cimport Submission
from sim.worker cimport Worker

cdef class Assistant:
    cdef public object clock, _ident, _kernel
    cdef public long long _most_bytes
    cdef public bint polled
    cdef public Device _device
    cdef public Submission _quiet, _submission
    cdef public dict _short, _trials

    @cython.locals(short=tuple)
    cpdef bint submit(self, Submittable request) except -1
    cpdef bint submit_for_others(self, Submittable request) except -1
    @cython.locals(ring=SubmissionRing, worker=Worker, claims=list, done=cython.longlong)
    cpdef long long poll(self, long long quota=*) except -1
    @cython.locals(worker=Worker, device=Device)
    cpdef hand_over(self)
    @cython.locals(worker=Worker)
    cpdef notify_once(self, fn)
    @cython.locals(
        device=Device, ring=SubmissionRing, batch=list, done=list, shown=list, goes_on=bint, count=cython.longlong,
        first_ns=cython.longlong, shown_ns=cython.longlong, done_ns=cython.longlong, begun_ns=cython.longlong,
        most_bytes=cython.longlong, request=Submittable,
    )
    cpdef long long _work(self) except -1
    @cython.locals(
        device=Device, ring=SubmissionRing, completions=CompletionRing, reaper=Reaper, count=cython.longlong,
        head=cython.longlong,
    )
    cpdef _complete(self, list done, long long now_ns)
    @cython.locals(known=tuple, size_bytes=cython.longlong)
    cpdef tuple _if_short(self, Submittable request)
    @cython.locals(known=tuple)
    cpdef tuple _known(self, op, kernel)
    @cython.locals(known=tuple, size_bytes=cython.longlong)
    cpdef _learn(self, Submittable request)
