cimport cython

from simaccel.bridge.device.client_request cimport ClientRequest
from simaccel.bridge.device.endpoint cimport Endpoint

cdef class InlineExecutor:
    cdef public object latencies, queue_samples, service_samples
    cdef public dict by_op

    @cython.locals(
        request=ClientRequest, last=ClientRequest, others=list, by_op=dict, share=cython.longlong,
        started_ns=cython.longlong, shown_ns=cython.longlong, sampled_ns=cython.longlong, finished_ns=cython.longlong,
    )
    cpdef list run(self, Endpoint endpoint, list requests, list answered)
    cpdef _sample(self, ClientRequest request, started_ns, finished_ns)
