"""How many files a device process may have open."""

from __future__ import annotations

import resource


def allow_many_clients() -> None:
    """Raise this process's soft limit to its hard limit.

    A client of a device takes three fds, so the usual soft limit would allow about 300 clients.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
