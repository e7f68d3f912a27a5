cimport cython

from engine.jobs.job cimport Job
from engine.jobs.thread cimport ThreadState
from engine.offload.context_wakers cimport ContextWakers
from engine.offload.operation cimport Operation, Waker
from engine.offload.slot_queue cimport SlotQueue
from engine.offload.statistics cimport Counters
from waitctx.context cimport WaitCtx

cdef class Performer:
    cdef public object _observe, _ring_full, _submit, _submit_driven, accel, assistant, deadline_ns, refusal, source
    cdef public bint _polls_itself, _traces
    cdef public dict flight
    cdef public ContextWakers _wakers
    cdef public SlotQueue slots
    cdef public Counters counters

    @cython.locals(job=Job, ctx=WaitCtx, waker=Waker)
    cpdef in_job(self, ThreadState thread, bint stackful, op, payload, aux, session, deadline_ns)
    cpdef Waker _traced(self, Waker waker, job, WaitCtx ctx)
    cpdef for_waker(self, Waker waker, op, payload, aux, session, deadline_ns)
    cpdef _refuse(self)
    cpdef _poll_if_many(self, Operation operation)
    cpdef _give_up(self, Operation operation, Waker waker)
    cpdef _end_badly(self, Operation operation, Waker waker)
