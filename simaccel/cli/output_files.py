"""Files that an option names, such as `--json FILE`. We check that they can be written before the work, which may take
hours, and write them after it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from engine.errors import UsageError
from simaccel.cli.exits import OutputError
from simaccel.cli.shell_quoting import quoted

STDOUT = "-"


def check_writable(option: str, target: str, *, make_folder: bool = False) -> None:
    """Raises UsageError if the file can't be written. Does not change a file that exists, and leaves no file if there
    was none. `make_folder` makes the folder of the file."""
    if target == STDOUT:
        return
    try:
        if make_folder:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        try:
            mode = os.stat(target).st_mode
        except FileNotFoundError:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
            os.unlink(target)
            return
        # To open a FIFO would wait for its reader, and to close it again would tell the reader that this was all.
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            os.close(os.open(target, os.O_WRONLY | os.O_CLOEXEC))
        elif not os.access(target, os.W_OK):
            raise PermissionError(None, "Permission denied")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{option} {quoted(target)}: {reason}; give a file that can be written") from None


def write_text(target: str, text: str) -> None:
    """Write the text to the file, or to standard output if it is `-`. Raises OutputError, which names the file."""
    if target == STDOUT:
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(target, error) from None
