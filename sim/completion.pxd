cimport cython

from hotpath.submittable cimport Submittable
from sim.gate cimport Gate
from sim.interrupt cimport Interrupt
from sim.ring cimport CompletionRing, Echo, SubmissionRing

cdef class Reaper:
    cdef public SubmissionRing _ring
    cdef public CompletionRing _completions
    cdef public Interrupt _interrupt
    cdef public Gate _gate
    cdef public object _counters, _clock, _foreign, lock
    cdef public list on_space
    cdef public long long untold_slots
    cdef public bint own_thread

    cpdef attach(self, on_space, bint polled) 
    cpdef detach(self, on_space)
    cpdef interrupt_if_due(self, long long now_ns)
    cpdef handle_interrupt(self, long long now_ns)
    cpdef long long reap(self, long long quota=*) except -1
    @cython.locals(completions=CompletionRing, ring=SubmissionRing, request=Submittable, size=cython.longlong, failed=cython.longlong)
    cpdef hand_out(self, list batch, long long echoes, long long seen)
    @cython.locals(completions=CompletionRing, request=Submittable, told=cython.longlong, left=cython.longlong)
    cpdef tuple _tell_each(self, bint own_thread)
