"""Which frames of a failing test's traceback pytest shows: the frames of the test, and not those of simaccel."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sim.errors import InternalError

MARK = "__tracebackhide__"


@contextmanager
def hidden_frames(root: str, packages: Collection[str]) -> Iterator[None]:
    """Inside the `with`, hide the frames of these packages in the folder `root`. pytest makes its report there.

    pytest looks for `__tracebackhide__` among a frame's local names and then among the globals of its module. So one
    global hides all functions of a module. `--full-trace` shows the hidden frames.
    """
    folders = tuple(os.path.join(root, package) + os.sep for package in packages)

    def hidden(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        # pytest shows no frame of an error without traceback. If all were hidden too, it would add a line that says so.
        without_traceback = getattr(excinfo.value, "pytrace", True) is False
        return not (without_traceback or _is_our_bug(excinfo, folders, packages))

    marked: list[dict[str, Any]] = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in packages:
            space = getattr(module, "__dict__", {})
            file = space.get("__file__")
            if file and os.path.realpath(file).startswith(folders) and MARK not in space:
                space[MARK] = hidden
                marked.append(space)
    try:
        yield
    finally:
        for space in marked:
            del space[MARK]


def _is_our_bug(
    excinfo: pytest.ExceptionInfo[BaseException], folders: tuple[str, ...], packages: Collection[str]
) -> bool:
    """Whether our code raised this by mistake, and not on purpose. If so, our frames are shown."""
    if isinstance(excinfo.value, InternalError):
        return True
    if type(excinfo.value).__module__.partition(".")[0] in packages:
        return False
    traceback = excinfo.tb
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and os.path.realpath(traceback.tb_frame.f_code.co_filename).startswith(folders)
