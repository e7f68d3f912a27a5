"""Runs a command line, and turns everything that it returns or raises into an exit code.

Nothing is imported before it is needed: `simaccel --version` answers at once.
"""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Sequence

from simaccel.cli.early_interrupt import raise_on_interrupt
from simaccel.cli.exits import (
    FAILED,
    INTERRUPTED,
    OK,
    PIPE_CLOSED,
    USAGE,
    OutputError,
    complain,
    print_version,
    why_the_system_refused,
)
from simaccel.cli.openssl_setup.without_provider import keep_provider_out
from simaccel.cli.standard_streams import prepare, silence_stdout
from simaccel.extras import EXTRA_OF, it_needs

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF)
"""Errors of a write to standard output, such as a full disk or a closed stream. They name no file."""


def run_process(arguments: Sequence[str]) -> int:
    """The same as `run`, if the process is ours alone: then it and its children use no OpenSSL configuration, and
    SIGCHLD is not ignored."""
    keep_provider_out()
    # A caller that ignores SIGCHLD hands that on to us. The kernel would then reap our children and not tell us.
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return run(arguments)


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code. Only a bug of ours raises."""
    prepare()
    try:
        code = _carry_out(list(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRA_OF:
            raise
        complain(f"this command can't run: {it_needs(library)}")
        return USAGE
    except BrokenPipeError:  # the reader of stdout has ended, as `head` does
        silence_stdout()
        return PIPE_CLOSED
    except OutputError as error:
        complain(str(error))
        return FAILED
    except OSError as error:
        silence_stdout()
        complain(f"standard output: {error.strerror}" if error.errno in UNWRITABLE else why_the_system_refused(error))
        return FAILED
    except RuntimeError as error:
        complain(why_the_system_refused(error))
        return FAILED
    return code


def _carry_out(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print_version()
        return OK
    from simaccel.cli.app import plan

    work = plan(arguments)
    raise_on_interrupt()
    return work()
