from engine.jobs.pool cimport Pool

cdef class Outcome:
    cdef public object value, error

cdef class ThreadState:
    cdef public object current, dispatcher, outcome
    cdef public bint pausing
    cdef public long long blocked, alive
    cdef public Pool pool
