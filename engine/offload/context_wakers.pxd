from engine.offload.operation cimport Waker
from waitctx.context cimport WaitCtx

cdef class ContextWakers:
    cdef public object _key, _mode, _callback, _sleep

    cpdef Waker of(self, WaitCtx ctx)
    cpdef Waker _found_or_made(self, WaitCtx ctx)
