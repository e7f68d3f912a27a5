from engine.offload.operation cimport Operation, Waker
from engine.offload.perform cimport Performer

cdef class TracedWaker(Waker):
    cdef public Waker _waker
    cdef public Operation _operation
    cdef public object _add, _now_ns, _job, _ctx
    cdef public str _wait
    cdef public bint _waiting, _done

    cpdef _waits(self, str wait, Operation operation)

cdef class TracedPerformer(Performer):
    cdef public object _add, _identify, _now_ns
