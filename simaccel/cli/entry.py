"""Where the command line begins, and where whatever comes out of it becomes an exit code.

Nothing is imported before it is needed: `simaccel --version` answers at once.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from simaccel.cli.exits import FAILED, INTERRUPTED, OK, PIPE_CLOSED, OutputError, complain, print_version
from simaccel.cli.openssl_setup.without_provider import keep_provider_out
from simaccel.cli.standard_streams import prepare, silence_stdout

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF)
"""What writing to standard output fails with: a full disk, or it was closed before we came."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of the process; returns the exit code. Raises for bugs of ours alone.

    By default the process is ours: it then uses no OpenSSL configuration, and neither do those that it starts.
    """
    if argv is None:
        keep_provider_out()
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # stdout's reader has seen enough, as `head` does
        silence_stdout()
        return PIPE_CLOSED
    except OutputError as error:
        complain(str(error))
        return FAILED
    except OSError as error:
        silence_stdout()
        complain(f"standard output: {error.strerror}" if error.errno in UNWRITABLE else str(error))
        return FAILED
    return code


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print_version()
        return OK
    from simaccel.cli.app import plan

    return plan(arguments)()
