cimport cython

from engine.jobs.job cimport Job
from engine.jobs.pool cimport Pool
from engine.jobs.switching cimport current, switch
from engine.jobs.thread cimport Outcome, ThreadState
from waitctx.context cimport WaitCtx

cdef class StackfulJob(Job):
    @cython.locals(thread=ThreadState, pool=Pool, alive=cython.longlong, created=cython.longlong)
    cpdef start(self)
    @cython.locals(thread=ThreadState, ctx=WaitCtx)
    cpdef resume(self)
    cpdef _throw(self, ThreadState thread, error)
    cpdef _not_begun(self, ThreadState thread, slot, tuple args)
    cpdef _interrupted(self, ThreadState thread, error)
    cpdef _conclude(self, Outcome outcome)
