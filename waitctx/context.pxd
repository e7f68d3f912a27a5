cdef class _Entry:
    cdef public object key, fd, custom_data, cleanup
    cdef public bint added, deleted

cdef class WaitCtx:
    cdef object __weakref__
    cdef public list _entries, _raised
    cdef public object _callback, stored_status, _phase, memo
    cdef public bint has_changes

    cpdef get_fd(self, key)
    cpdef list all_fds(self)
    cpdef changed_fds(self)
    cpdef reset_counts(self)
    cpdef close(self)
    cpdef _clean_up(self)
    cpdef _Entry _newest(self, key)
    cpdef _check_open(self)
