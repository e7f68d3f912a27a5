cimport cython

from simaccel.tracing.rows cimport Rows

cdef class DeviceTracks:
    cdef public object _head, _file
    cdef public Rows _rows
    cdef public long long group, _ring, _full_begins, _full_ends, _occupancy, _in_flight, _fetch, _interrupt, _hand_out
    cdef public long long _units, _completions, _queued, _flying
    cdef public str _moved
    cdef public bint _is_full
    cdef public dict _unit_tracks, _heads, _services, _untimed, _busy_until_ns

    cpdef on_other(self, long long time_ns, long long number, request, what)
    cpdef _moves(self, long long time_ns, str what)
    cpdef on_submit(self, long long time_ns, long long number, request, op, payload_bytes, aux_bytes)
    cpdef on_full(self, long long time_ns, long long number, request, op)
    cpdef on_fetch(self, long long time_ns, long long number, request)
    cpdef on_start(self, long long time_ns, long long number, request, _at, long long start_ns, _u, long long unit, _f, long long for_ns)
    cpdef tuple _service(self, unit, op)
    cpdef on_complete(self, long long time_ns, long long number, request, how)
    cpdef on_interrupt(self, long long time_ns, long long number, request)
    cpdef on_wake(self, long long time_ns, long long number, request)
