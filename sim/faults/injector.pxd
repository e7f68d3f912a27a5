cimport cython

from hotpath.submittable cimport Submittable
from sim.device cimport Device
from sim.faults.effects cimport Effects
from sim.gate cimport Gate
from sim.ring cimport SubmissionRing
from sim.schedule cimport RequestSchedule, Scheduled

cdef class Injector:
    cdef public Effects effects
    cdef public Device _device
    cdef public object note, _rulebook, _asking
    cdef public dict counts, _faults
    cdef public list observers
    cdef public bint _asked

    cpdef bint arrive(self, Submittable request) except -1
    @cython.locals(gate=Gate, effects=Effects)
    cpdef bint _arrive(self, Submittable request) except -1
    @cython.locals(gate=Gate, ring=SubmissionRing, tail=cython.longlong, taken=cython.longlong)
    cpdef bint _push(self, Submittable request, fault) except -1
    @cython.locals(effects=Effects)
    cpdef bint swallow_ring(self) except -1
    @cython.locals(device=Device, effects=Effects, scheduled=Scheduled)
    cpdef assign(self, Submittable request, long long now_ns)
    @cython.locals(schedule=RequestSchedule, scheduled=Scheduled)
    cpdef retire(self, long long now_ns)
    @cython.locals(effects=Effects)
    cpdef _retire(self, Scheduled scheduled, long long now_ns)
    cpdef forget(self, requests)
