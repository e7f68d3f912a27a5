"""The fixtures of the bridge."""

from __future__ import annotations

from tests.bridge.conftest import fork_server, toolbox

__all__ = ["fork_server", "toolbox"]
