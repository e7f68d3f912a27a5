from engine.offload.operation cimport Operation

cdef class SlotQueue:
    cdef public object _accel, waiting
    cdef public set turns

    cpdef may_submit(self, Operation operation)
    cpdef join(self, Operation operation)
    cpdef leave(self, Operation operation)
    cpdef _take_back(self, Operation operation)
