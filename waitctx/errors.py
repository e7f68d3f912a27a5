"""What a wait context raises. After each of these the context is as it was before the call."""


class WaitCtxError(Exception):
    """Root of everything this package raises."""


class UsageError(WaitCtxError, ValueError):
    """An argument that no wait context can take."""


class UnknownKeyError(WaitCtxError, LookupError):
    """No entry of that key, or all of them were cleared. C answers 0 here."""


class ClosedError(WaitCtxError):
    """The context was freed, or is being freed at this moment. Undefined behaviour in C."""


class NullContextError(WaitCtxError, TypeError):
    """None, or something else, where a wait context must stand. Most calls crash on it in C."""
