cimport cython

from simaccel.bridge.device.endpoint cimport Endpoint
from simaccel.bridge.device.memory cimport Memory

@cython.locals(
    endpoint=Endpoint, memory=Memory, keys=dict, requests=list, answered=list, fields=tuple, row=tuple,
    payload=bytes, aux=bytes, first=cython.longlong, last=cython.longlong, sealed_bytes=cython.longlong,
    in_off=cython.longlong, in_len=cython.longlong, out_off=cython.longlong, out_max=cython.longlong,
    aux_off=cython.longlong, aux_len=cython.longlong,
)
cpdef tuple decode(client, list batch, kernels)
