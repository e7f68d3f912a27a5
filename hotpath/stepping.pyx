"""The same as stepping.py, which explains it, for the compiled hot path."""

cdef extern from *:
    """
    /* As `context.run(coro.send, None)` does it. A coroutine that ends leaves its value in a StopIteration. */
    static PyObject *simaccel_step(PyObject *context, PyObject *coro) {
        PyObject *result = NULL;
        PySendResult how;
        if (PyContext_Enter(context) < 0) return NULL;
        how = PyIter_Send(coro, Py_None, &result);
        if (PyContext_Exit(context) < 0) {
            Py_XDECREF(result);
            return NULL;
        }
        if (how == PYGEN_RETURN) {
            PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
            Py_DECREF(result);
            if (stop != NULL) {
                PyErr_SetObject(PyExc_StopIteration, stop);
                Py_DECREF(stop);
            }
            return NULL;
        }
        return result;
    }
    """
    object simaccel_step(object context, object coro)


cpdef object step(object context, object coro):
    """Let the coroutine run to its next pause in that context, and return what it yields."""
    return simaccel_step(context, coro)
