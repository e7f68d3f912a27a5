"""Runs modules in processes of their own that need not import anything: they are forked from a process that has
imported everything.

A device process, or a command such as `simaccel stat`, takes 0.2 to 0.4 s of CPU time to start, nearly all of it for
imports. Hundreds of tests start some. So a test process starts a server once, `python -m tests.forked`. It imports what
these modules need and then waits. For each process that a test asks for, it forks: the child takes over the arguments,
the environment, the folder and the standard streams of the test, and runs the module as `python -m` would.

A forked process is as separate as any other: it has its own memory, ends as an interpreter does, and may be killed. Two
things differ. /proc shows the server's command line, and what an interpreter reads as it starts, such as PYTHONWARNINGS
and OPENSSL_CONF, has no effect. Tests of those start a new interpreter, and so do the tests of the start itself.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import IO, Any

from tests.limits import WAIT_S, be_patient

ROOT = Path(__file__).resolve().parents[1]
PRELOADED = (
    *("simaccel.bridge", "simaccel.bridge.device.server", "simaccel.cli.app", "simaccel.cli.entry"),
    *(f"simaccel.cli.commands.{name}" for name in ("serve", "stat", "inject", "check", "certify", "openssl")),
)
_MOST_BYTES = 1 << 17
"""Of a message: an environment, most of all."""


class ForkServer:
    """The server, for the tests of this process. Any thread may use it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = Lock()
        self._statuses: dict[int, int] = {}
        with theirs:
            theirs.set_inheritable(True)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def fork(self, request: Mapping[str, Any], streams: Sequence[int]) -> tuple[int, int]:
        """The pid of a new process, and a pidfd of it."""
        with self._lock:
            socket.send_fds(self._control, [json.dumps(request).encode()], streams)
            while True:
                message, fds, _, _ = socket.recv_fds(self._control, _MOST_BYTES, 1)
                if fds:
                    pid = int(message)
                    self._statuses.pop(pid, None)  # of another process that had this pid, which nobody waited for
                    return pid, fds[0]
                self._note(message)

    def status(self, pid: int) -> int:
        """How a process ended, as Popen says it. Waits until the server tells."""
        with self._lock:
            while pid not in self._statuses:
                self._note(self._control.recv(_MOST_BYTES))
            return self._statuses.pop(pid)

    def _note(self, message: bytes) -> None:
        assert message, "the server of forked processes has ended"
        pid, status = map(int, message.split())
        self._statuses[pid] = status

    def close(self) -> None:
        """Ends the server. The processes that it has forked live on."""
        self._control.close()
        self._process.wait(WAIT_S)


_server: ForkServer | None = None


def start() -> None:
    """Starts the server, if it is not running."""
    global _server
    if _server is None:
        _server = ForkServer()


def end() -> None:
    """Ends the server, if it is running."""
    global _server
    if _server is not None:
        _server.close()
        _server = None


class Forked:
    """A process that runs a module. Has what the tests use of `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdin: int | IO[Any] = 0,
        stdout: int | IO[Any] = 1,
        stderr: int | IO[Any] | None = 2,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`arguments`: the module and its arguments. A stream is an fd, a file, or `PIPE`; the pipes carry text."""
        assert _server is not None, "the fixture fork_server starts it"
        with ExitStack() as theirs:  # their ends of the pipes are closed here once they have them
            self.stdin: IO[str] | None = None
            self.stdout: IO[str] | None = None
            self.stderr: IO[str] | None = None
            if stdin == subprocess.PIPE:
                stdin, self.stdin = _pipe("w", theirs)
            if stdout == subprocess.PIPE:
                stdout, self.stdout = _pipe("r", theirs)
            if stderr == subprocess.PIPE:
                stderr, self.stderr = _pipe("r", theirs)
            request = {
                "arguments": list(arguments),
                "environment": dict(os.environ if environment is None else environment),
                "folder": os.getcwd(),
            }
            streams = (stdin, stdout, 2 if stderr is None else stderr)
            self.pid, self._pidfd = _server.fork(
                request, [one if isinstance(one, int) else one.fileno() for one in streams]
            )
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended. Raises TimeoutExpired if it has not after so many seconds."""
        status = self._wait(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return status

    def _wait(self, timeout: float | None) -> int | None:
        assert _server is not None
        if self.returncode is None:
            waiting = select.poll()
            waiting.register(self._pidfd, select.POLLIN)
            if waiting.poll(None if timeout is None else timeout * 1000):
                self.returncode = _server.status(self.pid)
                os.close(self._pidfd)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Closes its stdin, waits for its end, and returns what it has written to its pipes until then."""
        if self.stdin is not None:
            self.stdin.close()
        with ThreadPoolExecutor(2) as pool:
            written = [pool.submit(_rest, pipe) for pipe in (self.stdout, self.stderr)]
            out, err = (part.result() for part in written)
        self.wait(timeout)
        return out, err

    def send_signal(self, number: int) -> None:
        """Does nothing if it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _pipe(mode: str, theirs: ExitStack) -> tuple[int, IO[str]]:
    """The child's end of a pipe, which `theirs` closes, and ours, to be read (r) or written (w)."""
    reading, writing = os.pipe()
    ours, its = (reading, writing) if mode == "r" else (writing, reading)
    theirs.callback(os.close, its)
    return its, os.fdopen(ours, mode, encoding="utf-8")


def _rest(pipe: IO[str] | None) -> str:
    if pipe is None:
        return ""
    with pipe:
        return pipe.read()


def run(
    *arguments: str, environment: Mapping[str, str] | None = None, text: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Runs a module to its end, as `subprocess.run` does. `arguments`: the module and its arguments."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(text)
        given.seek(0)
        process = Forked(arguments, stdin=given, stdout=out, stderr=err, environment=environment)
        status = process.wait(WAIT_S)
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read(), err.read())


# In the server's process


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Forks until the test process is gone. Returns None in the server, and in each child what the child must run."""
    bell, ring = socket.socketpair()
    ring.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ring.fileno(), warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([control, bell], [], [])
        if bell in ready:
            bell.recv(4096)
            _report_ended(control)
        if control not in ready:
            continue
        message, fds, _, _ = socket.recv_fds(control, _MOST_BYTES, 3)
        if not message:
            return None
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (control, bell, ring):
                one.close()
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
                os.close(fd)
            request: dict[str, Any] = json.loads(message)
            return request
        for fd in fds:
            os.close(fd)
        pidfd = os.pidfd_open(child)
        socket.send_fds(control, [str(child).encode()], [pidfd])
        os.close(pidfd)


def _report_ended(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        control.send(f"{pid} {os.waitstatus_to_exitcode(status)}".encode())


def main(fd: int) -> None:
    """Serves the test process at the other end of a socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the test process, and the end of that ends this
    for module in PRELOADED:
        import_module(module)
    be_patient()
    gc.collect()
    gc.freeze()
    request = serve(socket.socket(fileno=fd))
    if request is None:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    module, *sys.argv[1:] = request["arguments"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
