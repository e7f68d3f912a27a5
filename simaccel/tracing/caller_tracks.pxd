cimport cython

from simaccel.tracing.rows cimport Rows

cdef class _Caller:
    cdef public long long track, ends, paused, slot, resume
    cdef public dict begins

cdef class CallerTracks:
    cdef public object _file, _name_of
    cdef public Rows _rows
    cdef public long long _jobs, _others, _contexts
    cdef public dict _by_job, _by_context, _taken
    cdef public list _lanes, _free

    @cython.locals(caller=_Caller)
    cpdef _Caller _caller(self, job, request, bint first=*)
    @cython.locals(caller=_Caller)
    cpdef on_pause(self, long long time_ns, number, request, job, ctx, bint first)
    @cython.locals(caller=_Caller)
    cpdef on_eagain(self, long long time_ns, number, request, job, ctx, bint first)
    cpdef _begin(self, long long time_ns, _Caller caller, op)
    @cython.locals(caller=_Caller)
    cpdef on_begins(self, long long time_ns, number, request, job, name)
    @cython.locals(caller=_Caller)
    cpdef on_ends(self, long long time_ns, number, request, job)
    @cython.locals(caller=_Caller)
    cpdef on_again(self, long long time_ns, number, request, job, wait)
    @cython.locals(caller=_Caller, ends=cython.longlong)
    cpdef on_resume(self, long long time_ns, long long number, request, job, bint waited)
    cpdef on_failed(self, long long time_ns, number, request, job, why)
    cpdef tuple _context(self, ctx)
    cpdef on_woken(self, long long time_ns, long long number, request, ctx)
    cpdef on_nudged(self, long long time_ns, number, request, ctx)
