"""A program that runs as our child, as if it ran alone.

The order is: fork, while this process has one thread; then whatever the program needs is started; then the program may
begin. From then on this process waits. It passes on the signals that are sent to it, and waits until the program has
ended. If this process is killed, the program gets SIGTERM.

A Ctrl-C at a terminal goes to all processes in the foreground, so the program has it already, and it is not passed on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import NoReturn

from simaccel.cli.exits import unable_to_run
from simaccel.cli.openssl_setup.exec_program import become
from simaccel.cli.openssl_setup.family import adopt_orphans, end_with_parent

PASSED_ON = frozenset(
    {
        *(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP),
        *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH, signal.SIGCONT),
    }
)
FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH, signal.SIGCONT})
SI_KERNEL = 128
"""`si_code` of a signal that the kernel sent, as for a key that was pressed."""
WAITED_FOR = PASSED_ON | {signal.SIGCHLD}


class Supervised:
    """A child that will run `program`. Main thread only, before there are other threads. A context manager.

    After the constructor the child waits for `begin`. If it never comes, because this process fails or ends first, the
    program is not run.
    """

    def __init__(self, program: list[str], environment: Mapping[str, str]) -> None:
        adopt_orphans()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
        self._running = True
        gate, self._gate = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _wait_and_run(gate, self._gate, self._mask, program, environment)
        os.close(gate)

    def begin(self) -> None:
        """The program may run now."""
        os.write(self._gate, b"\1")

    def wait(self) -> int:
        """Block until the program has ended. Returns its exit code, or 128 + the number of the signal that ended it."""
        while True:
            status = self._reap()
            if status is not None:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            told = signal.sigwaitinfo(WAITED_FOR)
            if told.si_signo in PASSED_ON and not (told.si_signo in FROM_TERMINAL and told.si_code == SI_KERNEL):
                os.kill(self.pid, told.si_signo)

    @staticmethod
    def left() -> int:
        """How many processes of the program still run: our child, and orphans that became our children."""
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as children:
                return len(children.read().split())
        except OSError:  # a kernel without that file
            return 0

    def _reap(self) -> int | None:
        """The status of the program, if it has ended. Orphans that have ended are waited for, too."""
        found = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if pid == 0:
                return found
            if pid == self.pid:
                self._running = False
                found = status

    def __enter__(self) -> Supervised:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._gate)
        if self._running:  # it waits for `begin`, or we were interrupted: it must not stay alone
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def _wait_and_run(
    gate: int, other_end: int, mask: set[int | signal.Signals], program: list[str], environment: Mapping[str, str]
) -> NoReturn:
    """In the child."""
    code = 1
    try:
        end_with_parent(signal.SIGTERM)
        os.close(other_end)
        if os.read(gate, 1):
            os.close(gate)
            for number in PASSED_ON:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            become(program, environment)
    except OSError as error:
        code = unable_to_run(program[0], error)
    finally:
        os._exit(code)
