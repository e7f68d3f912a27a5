cpdef int write_tokens(int fd, unsigned long long count)
cpdef int read_tokens(int fd, size_t buffer)
cpdef int last_errno()
