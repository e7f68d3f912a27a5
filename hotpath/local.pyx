"""The same as local.py, which explains it, for the compiled hot path.

The objects are kept in a `threading.local`. Each thread also remembers, in a variable of C, which object it found last.
That one is right as long as the thread is the same and no thread has lost its object since then: a thread that ends
takes its object along, and may give its place in memory to another one.
"""

import threading

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    static uint64_t simaccel_losses;
    /* What the thread found last: the state of which Local, for which thread, and after how many losses. */
    static __thread struct { PyObject *local, *state; uint64_t thread, losses; } simaccel_found;

    static PyObject *simaccel_remembered(PyObject *local) {
        if (simaccel_found.local != local || simaccel_found.losses != simaccel_losses ||
            simaccel_found.thread != PyThreadState_GetID(PyThreadState_Get())) return Py_NewRef(Py_None);
        return Py_NewRef(simaccel_found.state);
    }

    static void simaccel_remember(PyObject *local, PyObject *state) {
        simaccel_found.local = local;
        simaccel_found.state = state;
        simaccel_found.thread = PyThreadState_GetID(PyThreadState_Get());
        simaccel_found.losses = simaccel_losses;
    }

    static void simaccel_lose(void) { simaccel_losses++; }
    """
    object simaccel_remembered(object local)  # a new reference
    void simaccel_remember(object local, object state)
    void simaccel_lose()


cdef class _Held:
    """Holds the object of one thread. Once it is gone, no thread relies on what it remembers."""

    cdef object state

    def __dealloc__(self):
        simaccel_lose()


cdef class Local:
    """`state` is the calling thread's own object. It is made by `make()` when the thread first asks for it."""

    cdef object _make, _threads

    def __init__(self, make):
        self._make = make
        self._threads = threading.local()

    def __getattribute__(self, name):
        if name != "state":
            return object.__getattribute__(self, name)
        state = simaccel_remembered(self)
        if state is None:
            state = self._look()
        return state

    def __setattr__(self, name, value):
        cdef _Held held = _Held()
        held.state = value
        self._threads.held = held  # this frees the holder before it, so that no thread relies on what it remembers
        simaccel_lose()

    cdef _look(self):
        cdef _Held held
        try:
            held = self._threads.held
        except AttributeError:
            held = _Held()
            held.state = self._make()
            self._threads.held = held
        simaccel_remember(self, held.state)
        return held.state

    @classmethod
    def __class_getitem__(cls, item):
        return cls
