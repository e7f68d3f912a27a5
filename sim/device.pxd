cimport cython

from hotpath.submittable cimport Submittable
from sim.completion cimport Reaper
from sim.gate cimport Gate
from sim.interrupt cimport Interrupt
from sim.ring cimport CompletionRing, SubmissionRing
from sim.schedule cimport RequestSchedule, Scheduled
from sim.timers cimport Timer, Timers
from sim.units cimport UnitBank

cdef class Device:
    cdef object __weakref__
    cdef public object clock, counters, foreign, _timing, _service_rng, _latency_rng, _fixed_service_ns, _fixed_latency_ns
    cdef public Gate gate
    cdef public SubmissionRing ring
    cdef public CompletionRing completions
    cdef public Interrupt interrupt
    cdef public Reaper reaper
    cdef public UnitBank units
    cdef public Timers timers
    cdef public RequestSchedule schedule
    cdef public bint straight
    cdef public list _fetched
    cdef public long long _passed
    cdef public Scheduled placing

    cpdef bint has_work(self) except -1
    cpdef bint drained(self) except -1
    @cython.locals(ring=SubmissionRing, schedule=RequestSchedule, batch=list, count=cython.longlong, head=cython.longlong, now_ns=cython.longlong)
    cpdef step(self)
    cpdef _next_due_ns(self)
    @cython.locals(timer=Timer)
    cpdef _call_timers(self, now_ns)
    cpdef _call_timer(self, Timer timer)
    @cython.locals(request=Submittable, done=list, done_ns=cython.longlong, first_ns=cython.longlong, shown_ns=cython.longlong)
    cpdef _run_straight(self, list batch)
    @cython.locals(request=Submittable, done=list)
    cpdef _run_at_once(self, list batch)
    @cython.locals(passed=cython.longlong)
    cpdef _land_all(self, list done, long long now_ns)
    cpdef _assign(self)
    cpdef Scheduled place(self, Submittable request, long long now_ns, fault=*)
    @cython.locals(schedule=RequestSchedule, scheduled=Scheduled, request=Submittable)
    cpdef _retire(self, long long now_ns)
    cpdef land(self, Scheduled scheduled)
