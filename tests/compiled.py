"""What can't be tested where the hot path is compiled, and so is skipped there: it runs with the Python.

- A test that replaces a method of a compiled class: `monkeypatch.setattr` skips it.
- An exception at each place of compiled code, which no tracer sees: `interrupt_everywhere` skips it.
- What is marked `python_source`: it traces compiled code, or puts an object of its own in place of a part.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

import pytest

import hotpath

MARK = "python_source: needs the Python of the hot path, and is skipped where that is compiled"


def skip(why: str) -> NoReturn:
    pytest.skip(f"{why}, and the hot path is compiled: runs with {hotpath.VARIABLE}=1")


def is_compiled(thing: object) -> bool:
    """Whether this module, class or function is compiled."""
    home = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return hotpath.COMPILED and home in hotpath.MODULES


def skip_where_compiled(items: list[pytest.Item]) -> None:
    """Skip the tests that are marked, and those that will replace a method."""
    if not hotpath.COMPILED:
        return
    for item in items:
        if item.get_closest_marker("python_source"):
            item.add_marker(pytest.mark.skip(reason="needs the Python of the hot path, which is compiled"))
    replace = pytest.MonkeyPatch.setattr

    def replaced_or_skipped(self: pytest.MonkeyPatch, target: Any, *rest: Any, **options: Any) -> None:
        try:
            replace(self, target, *rest, **options)
        except TypeError as error:
            if "immutable type" not in str(error):
                raise
            skip(f"replaces {target.__name__}.{rest[0]}")

    pytest.MonkeyPatch.setattr = replaced_or_skipped  # type: ignore[method-assign]
