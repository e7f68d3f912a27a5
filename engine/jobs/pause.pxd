cimport cython

from engine.jobs.switching cimport switch
from engine.jobs.thread cimport ThreadState

@cython.locals(thread=ThreadState)
cpdef pause_job()
