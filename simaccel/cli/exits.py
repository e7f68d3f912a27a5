"""How a command ends: its exit code, and the line on stderr that says why."""

from __future__ import annotations

import errno
import sys
from contextlib import suppress

from simaccel.cli.shell_quoting import quoted
from simaccel.version import __version__

OK, FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
"""The exit codes: success; something failed or was wrong; wrong usage; Ctrl-C; stdout was closed. The last two are 128
+ the signal."""

NO_DEVICE = 125
"""`openssl --require-device`: there is no device, or the program did nothing on it. `timeout` and `env` use 125 too for
a failure that is not the program's."""

NOT_RUNNABLE, NOT_FOUND = 126, 127
"""A program that can't be run, or that is not there. Shells use the same codes."""


NO_THREAD = "can't start new thread"
"""The text of the RuntimeError by which Python says that the system gives it no thread."""

NO_TEMPORARY_FOLDER = "No usable temporary directory"
"""How the text of the FileNotFoundError begins by which Python says that it may write in no folder for such files."""

CURES = {
    errno.EMFILE: "; raise the limit of open files (ulimit -n)",
    errno.EAGAIN: "; raise the limit of processes and threads (ulimit -u)",
    errno.ENOSPC: "; make room there, or set TMPDIR",
}


class OutputError(Exception):
    """A file or a stream can't be written."""

    def __init__(self, target: str, error: OSError) -> None:
        cure = "; make room there, or give another file" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        super().__init__(f"{target}: {error.strerror or error}{cure}")


def complain(message: str) -> None:
    """Print one line on stderr. If stderr can't be written, the line is lost, and only the exit code tells."""
    with suppress(OSError):
        print(f"simaccel: {' '.join(message.splitlines())}", file=sys.stderr)


def why_the_system_refused(error: OSError | RuntimeError) -> str:
    """The reason, and the cure if we know one. Raises a RuntimeError again unless it means that there is no thread."""
    if isinstance(error, RuntimeError):
        if str(error) != NO_THREAD:
            raise error
        error = OSError(errno.EAGAIN, NO_THREAD)
    what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    if what.startswith(NO_TEMPORARY_FOLDER):
        return f"{what}; set TMPDIR to a folder that can be written"
    return what + CURES.get(error.errno or 0, "")


def unable_to_run(program: str, error: OSError) -> int:
    """Say why a program could not be run. Returns the exit code for that."""
    complain(f"{quoted(program)}: {error.strerror}")
    return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE


def print_version() -> None:
    """Print the version on stdout."""
    print(f"simaccel {__version__}")
