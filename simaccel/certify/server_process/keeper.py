"""The keeper: a process between certify and the server. It ends all of the server's processes, however certify ends.

The server is the keeper's child. All descendants of the server stay descendants of the keeper, even those that
daemonize. The keeper ends them when it is told to, and when its socket to certify is closed. The kernel closes that
socket when certify ends, even by kill -9. Ctrl-C does not reach the keeper and the server, because they are in process
groups of their own.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from simaccel.certify.server_process.process_tree import adopt_orphans, descendants, keep_only

MOST_BYTES = 4096
LOOK_EVERY_MS = 50
"""How often the keeper reaps what has ended."""

OPEN_FILES = 8192
"""The server gets a soft limit of this many open files, or of its hard limit: 1,000 connections take up to 3,000."""


def keep(command: Sequence[str], environment: Mapping[str, str], log: int, control: socket.socket) -> NoReturn:
    """Start the server with its output in `log`, and keep it. Call it in the child of a fork."""
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        keep_only(control.fileno(), log)
        adopt_orphans()
        nothing, _ = os.pipe()  # kept open, because some servers end when their input ends
        try:
            server = subprocess.Popen(
                command,
                env=environment,
                stdin=nothing,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=_as_users_start_it,
            )
        except OSError as error:
            control.send(json.dumps({"error": error.strerror}).encode())
        else:
            control.send(json.dumps({"pid": server.pid}).encode())
            _wait(server.pid, control)
    finally:
        end_descendants()
        os._exit(0)


def _as_users_start_it() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, OPEN_FILES) if most >= 0 else OPEN_FILES, most))


def _wait(first: int, control: socket.socket) -> None:
    """Reap what ends, and report how the first process ended, until the socket says something or is closed."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    while not poller.poll(LOOK_EVERY_MS):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not pid:
                break
            if pid == first:
                control.send(json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode())


def end_descendants() -> None:
    """Kill and reap all descendants of this process, including those that are forked meanwhile."""
    while True:
        for pid in descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
