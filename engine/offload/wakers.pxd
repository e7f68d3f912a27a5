from engine.offload.operation cimport Operation, Waker
from engine.offload.wake_fds cimport WakeFd
from waitctx.context cimport WaitCtx

cdef class FdWaker(Waker):
    cdef public WaitCtx _ctx
    cdef public WakeFd wake_fd
    cdef public bint gone

cdef class QatCallback(Waker):
    cdef public WaitCtx _ctx
    cdef public object _fn

cdef class StrictCallback(QatCallback):
    pass

cdef class BlockedThread(Waker):
    cdef public object _lock

    cpdef rouse(self)
    cpdef sleep(self)
    cpdef bint roused(self) except -1

cdef class DasyncCallback(QatCallback):
    cdef public object _sleep
    cdef public BlockedThread _thread
