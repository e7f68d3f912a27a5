cimport cython

from engine.jobs.pool cimport Pool
from engine.jobs.thread cimport ThreadState
from waitctx.context cimport WaitCtx

cdef class Job:
    cdef object __weakref__
    cdef public object fn, state, driver, waiting
    cdef public tuple args
    cdef public WaitCtx wait_ctx
    cdef public bint _owns_ctx, _counted
    cdef public object _slot, _value, _error, _traceback
    cdef public ThreadState _thread

    cpdef start(self)
    cpdef resume(self)
    @cython.locals(thread=ThreadState, ctx=WaitCtx)
    cpdef cancel(self)
    cpdef _throw(self, ThreadState thread, error)
    cpdef _finish(self, value)
    cpdef _fail(self, error)
    @cython.locals(thread=ThreadState, pool=Pool, alive=cython.longlong)
    cpdef _end(self)
    @cython.locals(ctx=WaitCtx)
    cpdef _release_ctx(self)
    @cython.locals(thread=ThreadState)
    cpdef _refuse(self, what)
