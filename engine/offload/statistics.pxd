cdef class Counters:
    cdef public long long eagains, failed, given_up, never_submitted, operations, slots, spurious
