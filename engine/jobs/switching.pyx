"""The same as switching.py, which explains it, for the compiled hot path.

greenlet offers its functions in C as a table, which is found by name. Its header greenlet.h numbers them.
"""

from engine.jobs.greenlets import INSTALLED

cdef extern from *:
    """
    static void **simaccel_greenlet;

    static int simaccel_find_greenlet(void) {
        simaccel_greenlet = (void **)PyCapsule_Import("greenlet._C_API", 0);
        return simaccel_greenlet == NULL ? -1 : 0;
    }

    /* Number 4: PyGreenlet *PyGreenlet_GetCurrent(void), a new reference. */
    static PyObject *simaccel_current(void) {
        return ((PyObject *(*)(void))simaccel_greenlet[4])();
    }

    /* Number 6: PyObject *PyGreenlet_Switch(PyGreenlet *, PyObject *args, PyObject *kwargs), a new reference. */
    static PyObject *simaccel_switch(PyObject *to) {
        return ((PyObject *(*)(PyObject *, PyObject *, PyObject *))simaccel_greenlet[6])(to, NULL, NULL);
    }
    """
    int simaccel_find_greenlet() except -1
    object simaccel_current()
    object simaccel_switch(object to)

if INSTALLED:  # without greenlet no stackful job is ever made, so nothing here is called
    simaccel_find_greenlet()


cpdef object current():
    """The greenlet that runs."""
    return simaccel_current()


cpdef object switch(object to):
    """Let that greenlet go on, without a value. Returns when somebody switches back to the calling one."""
    return simaccel_switch(to)
