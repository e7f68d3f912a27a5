"""OpenSSL-style wait contexts: what a paused job waits for, as file descriptors or as a callback with a status.

There are two ways in: this module for Python, and `waitctx.openssl` with the names and shapes of the C API.
"""

import hotpath  # noqa: F401, I001 - first: it chooses the compiled modules or the Python ones

from waitctx.context import Callback, ChangedFds, Cleanup, WaitCtx, WaitFd
from waitctx.errors import ClosedError, NullContextError, UnknownKeyError, UsageError, WaitCtxError
from waitctx.status import Status

__all__ = [
    "Callback",
    "ChangedFds",
    "Cleanup",
    "ClosedError",
    "NullContextError",
    "Status",
    "UnknownKeyError",
    "UsageError",
    "WaitCtx",
    "WaitCtxError",
    "WaitFd",
]
