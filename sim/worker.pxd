cimport cython

from hotpath.spinning cimport Spinner

cdef class Worker:
    cdef object __weakref__
    cdef public object _device, _now_ns, _on_crash, _bell, _sleeps, _may_stop, _thread
    cdef public Spinner _spinner
    cdef public long long asleep, rung
    cdef public list claims

    @cython.locals(sleep=cython.longlong)
    cpdef bint wake(self) except -1
    cpdef stop(self, may_stop)
    cpdef _run(self)
    cpdef _step_until_stopped(self)
    cpdef _take_turn(self)
    @cython.locals(wait_ns=cython.longlong)
    cpdef _sleep(self, due_ns, seen)
