"""What a wait context raises. After each of these, the context is as it was before the call."""


class WaitCtxError(Exception):
    """Root of everything this package raises."""


class UsageError(WaitCtxError, ValueError):
    """The argument is not valid for any wait context."""


class UnknownKeyError(WaitCtxError, LookupError):
    """The key has no entry, or all of its entries were cleared. C returns 0 here."""


class ClosedError(WaitCtxError):
    """The context was freed, or is being freed at this moment. Undefined behaviour in C."""


class NullContextError(WaitCtxError, TypeError):
    """The context is None, or not a wait context. Most calls crash in C then."""
