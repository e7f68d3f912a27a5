from simaccel.bridge.device.endpoint cimport Endpoint

cdef class ClientRequest:
    cdef public Endpoint endpoint
    cdef public object route, cookie, kernel, key, payload, aux, out_off, out_max, submitted_ns
    cdef public bint sealed

    cpdef tuple perform(self)
    cpdef tuple store(self, result)
