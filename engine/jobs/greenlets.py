"""The library greenlet, on which stackful jobs run, or what stands in for it where it is not installed.

Without it there are no stackful jobs. Everything else works: `async def` jobs, and operations outside of jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from engine.errors import UsageError

if TYPE_CHECKING:
    from greenlet import GreenletExit as GreenletExit
    from greenlet import getcurrent as getcurrent
    from greenlet import greenlet as greenlet

    INSTALLED: bool
else:
    try:
        from greenlet import GreenletExit, getcurrent, greenlet
    except ImportError:
        INSTALLED = False
        # These are only names: without greenlet there is no stackful job that would use them.
        GreenletExit, getcurrent, greenlet = SystemExit, None, type(None)
    else:
        INSTALLED = True


def refuse_stackful(fn: object, *_: object) -> NoReturn:
    """Stands in for the class of stackful jobs. Raises UsageError."""
    raise UsageError(
        f"{fn!r} is a plain function, and runs as a job only with greenlet: pip install greenlet, or make it an "
        "async def"
    )
