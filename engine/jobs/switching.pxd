cpdef object current()
cpdef object switch(object to)
