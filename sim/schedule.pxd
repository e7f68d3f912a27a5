cimport cython

from hotpath.submittable cimport Submittable

cdef class Scheduled:
    cdef public Submittable request
    cdef public object fault
    cdef public long long due_ns
    cdef public bint worked, landed, is_echo

cdef class RequestSchedule:
    cdef public object _clock, _counters, _tie_rng, ahead
    cdef public bint _counts_late
    cdef public long long _serial
    cdef public list heap
    cdef public dict parked, overtaken

    cpdef add(self, Scheduled scheduled)
    @cython.locals(drawn=list)
    cpdef list ordered(self, list batch)
    @cython.locals(heap=list)
    cpdef remove(self, Scheduled scheduled)
    cpdef remove_first(self, Scheduled scheduled)
    @cython.locals(heap=list, scheduled=Scheduled, done_ns=cython.longlong, late_ns=cython.longlong)
    cpdef Scheduled first_due(self, long long now_ns)
    @cython.locals(heap=list, scheduled=Scheduled)
    cpdef next_due_ns(self)
    @cython.locals(request=Submittable)
    cpdef work(self, Scheduled scheduled)
