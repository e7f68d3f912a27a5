cimport cython

from hotpath.submittable cimport Submittable
from sim.gate cimport Gate
from sim.ring cimport SubmissionRing
from sim.worker cimport Worker

cdef class Submission:
    cdef public object kernels, max_payload_bytes, _counters, _now_ns, _session_ids
    cdef public dict _by_name
    cdef public Worker worker
    cdef public SubmissionRing _ring
    cdef public Gate _gate

    cpdef prepare(self, Submittable request)
    @cython.locals(ring=SubmissionRing, gate=Gate, taken=cython.longlong, tail=cython.longlong, fast=bint, worker=Worker, sleep=cython.longlong)
    cpdef bint submit(self, Submittable request) except -1
    cpdef bint enqueue(self, Submittable request) except -1
    cpdef bint _push_slowly(self, Submittable request) except -1
    cpdef doorbell(self)
    cpdef _announce_again(self)
    cpdef bint _announce(self) except -1
