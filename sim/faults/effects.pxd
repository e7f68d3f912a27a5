from sim.device cimport Device

cdef class Effects:
    cdef public Device device
    cdef public object rng, trace
    cdef public long long rings_to_swallow, not_before_ns
