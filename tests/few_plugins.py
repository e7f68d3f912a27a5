"""For a pytest that a test starts: of all plugins that are installed, it loads only those that the test needs.

To import hypothesis, trio and pytest-asyncio takes it five times as long as all else that such a run does.
"""

from __future__ import annotations


def variables(*plugins: str) -> dict[str, str]:
    """Environment variables with which pytest loads ours and these plugins, given by their modules."""
    return {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": ",".join(("simaccel.pytest_plugin", *plugins)),
    }
