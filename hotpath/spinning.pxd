cdef class Spinner:
    cdef public bint spinning
    cdef int _ended
    cdef int _in_vain, _skips
    cdef unsigned long long _waits
    cdef long long _began_ns, _mean_ns, _woken_ns

    cpdef bint spin(self, long long most_ns, int epoll_fd) except -1
    cpdef end(self)
    cpdef waited(self)


cpdef about_to_sleep()
