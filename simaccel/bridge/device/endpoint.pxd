from simaccel.bridge.device.memory cimport Memory

cdef class Endpoint:
    cdef public Memory memory
    cdef public object interrupt, lock, watcher
    cdef public bint gone
    cdef public long long submitted, completed, failed, interrupts, outstanding
    cdef public dict failures

    cpdef fetched(self, long long count)
    cpdef complete(self, list completions)
    cpdef note_failure(self, op)
    cpdef fire(self)
