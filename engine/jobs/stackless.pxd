cimport cython

from engine.jobs.job cimport Job
from engine.jobs.pool cimport Pool
from engine.jobs.thread cimport ThreadState
from hotpath.stepping cimport step
from waitctx.context cimport WaitCtx

cdef class StacklessJob(Job):
    cdef public object _context, _coro, _run_in_context, _send

    @cython.locals(thread=ThreadState, pool=Pool, alive=cython.longlong, created=cython.longlong)
    cpdef start(self)
    @cython.locals(thread=ThreadState, ctx=WaitCtx)
    cpdef resume(self)
    cpdef _throw(self, ThreadState thread, error)
    @cython.locals(alive=cython.longlong)
    cpdef _conclude(self, ThreadState thread, error)
    cpdef _conclude_again(self, ThreadState thread, error)
    cpdef _refuse_foreign(self, ThreadState thread, token)
