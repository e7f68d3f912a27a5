cpdef object step(object context, object coro)
