"""A device that is watched, for all tests of a module, and a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bridge.conftest import fork_server, toolbox
from tests.cli.conftest import cli
from tests.watching.browser import Browser, chromium
from tests.watching.watched import Watched

__all__ = ["browser", "cli", "fork_server", "toolbox", "watched"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests; those that use it are of the group "page", so that one process of pytest runs them."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def watched(fork_server: None) -> Iterator[Watched]:
    with Watched("--metrics", "127.0.0.1:0") as device:
        yield device
