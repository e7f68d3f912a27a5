"""The server under test. A keeper starts it, and ends it with all processes that it has started."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from simaccel.certify.patience import Patience
from simaccel.certify.server_process.keeper import MOST_BYTES, keep
from simaccel.certify.server_process.process_tree import descendants
from simaccel.certify.server_process.resources import Seen, look
from simaccel.certify.target import Target

POLL_S = 0.01
REAPED_WITHIN_S = 5.0
"""The keeper reaps an ended process within its LOOK_EVERY_MS, except on the busiest machines."""
TAIL_LINES = 3
TAIL_CHARACTERS = 300


class CannotStart(Exception):
    """The server can't be judged at all. The message is one line that says why, and what to do."""


class ServerProcess:
    """One run of the server. A context manager. Not for threads."""

    def __init__(self, target: Target, environment: Mapping[str, str], log: Path) -> None:
        """Starts it, and returns when it accepts connections. Raises CannotStart."""
        self.target = target
        self.status: int | None = None
        """How the first process ended: its exit code, or minus the number of a signal. None while it runs."""
        self._log = log
        if _peer(target) is not None:
            raise CannotStart(
                f"something listens at {target.host}:{target.port} already: end it, or give another port to the server "
                "and to --connect"
            )
        with log.open("wb") as output:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._keeper = os.fork()
            if not self._keeper:
                keep(target.command, environment, output.fileno(), theirs)
            theirs.close()
        try:
            self.pid = self._first_pid()
            self._wait_for_port()
        except BaseException:
            self.close()
            raise

    def _first_pid(self) -> int:
        told = json.loads(self._control.recv(MOST_BYTES) or b"{}")
        if "error" in told:
            raise CannotStart(f"{self.target.command[0]} can't be run: {told['error']}")
        if "pid" not in told:
            raise CannotStart("the process that keeps the server has ended")
        return int(told["pid"])

    def _wait_for_port(self) -> None:
        patience = Patience(self.target.limit_s, self.pids)
        while (peer := _peer(self.target)) is None:
            if not self.pids():
                raise CannotStart(f"the server ended at once{self.how_it_ended()}{self.tail()}")
            if patience.is_over():
                raise CannotStart(
                    f"nobody listens at {self.target.host}:{self.target.port} after {self.target.limit_s:,.0f} s: does "
                    f"the server have another port than --connect?{self.tail()}"
                )
            time.sleep(POLL_S)
        self.family, self.address = peer

    # What is seen of it

    def pids(self) -> list[int]:
        """All its processes, even those that have another parent by now."""
        self._listen()
        return descendants(self._keeper)

    def look(self) -> Seen:
        """What its processes hold and have used. Raises NotOurs."""
        return look(self.pids())

    def how_it_ended(self) -> str:
        """How it ended, in words after a blank. Empty if not known. Blocks for a moment if it has just ended."""
        self._listen(0 if descendants(self._keeper) else REAPED_WITHIN_S)
        if self.status is None:
            return ""
        if self.status >= 0:
            return f" with exit code {self.status}"
        with suppress(ValueError):
            return f" by {signal.Signals(-self.status).name}"
        return f" by signal {-self.status}"

    def tail(self) -> str:
        """The last lines that it has printed, as the end of a sentence. Empty if there are none."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        text = " / ".join(line.strip() for line in lines[-TAIL_LINES:])
        printable = "".join(letter if letter.isprintable() else "?" for letter in text)
        return f"; its last lines: {printable[-TAIL_CHARACTERS:]}" if printable else ""

    def _listen(self, wait_s: float = 0) -> None:
        while self.status is None and select.select([self._control], [], [], wait_s)[0]:
            told: dict[str, Any] = json.loads(self._control.recv(MOST_BYTES) or b'{"status": 0}')
            self.status = told.get("status", self.status)

    # What is done to it

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def close(self) -> None:
        """End all its processes. Returns when there are none any more."""
        self._control.close()
        os.waitpid(self._keeper, 0)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _peer(target: Target) -> tuple[int, Any] | None:
    """The family and address that accepts connections there, because a name may have several. None if nobody does."""
    try:
        with socket.create_connection((target.host, target.port), target.limit_s) as probe:
            return probe.family, probe.getpeername()
    except ConnectionRefusedError:
        return None
    except OSError as error:
        raise CannotStart(f"--connect {target.host}:{target.port}: {error}") from None
