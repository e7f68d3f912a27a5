"""A device process for tests: forked, as tests/forked.py says, unless it is given an environment of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from simaccel.bridge import wire
from tests.forked import Forked
from tests.limits import WAIT_S, be_patient

SERVE = "simaccel serve --socket"
"""What users start, with its options as arguments."""

_serial = count(1)
be_patient()


def fresh_address() -> str:
    """An abstract name that nobody else uses."""
    return f"@simaccel-test-{os.getpid()}-{next(_serial)}"


class DeviceProcess:
    """A device process. It is ready when the constructor returns. A context manager."""

    def __init__(
        self,
        address: str | None = None,
        *arguments: str,
        module: str = "simaccel.bridge",
        errors: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`errors`: the file that stderr goes to. `environment`: what is set besides what is set here."""
        self.address = address or fresh_address()
        command = [*module.split(), self.address, *arguments]
        self.process: subprocess.Popen[str] | Forked
        with ExitStack() as opened:
            stderr = None if errors is None else opened.enter_context(errors.open("wb"))
            if environment or "OPENSSL_CONF" in os.environ:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", *command],
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    text=True,
                    env={**os.environ, **(environment or {})},
                )
            else:
                self.process = Forked(command, stdout=subprocess.PIPE, stderr=stderr)
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], WAIT_S)
        line = self.process.stdout.readline() if readable else ""
        if not line.startswith("serving"):
            self.kill()
            raise AssertionError(f"the device did not start: {line!r}")

    def stat(self) -> dict[str, Any]:
        """What `simaccel stat` shows."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(WAIT_S)
            peer.connect(wire.socket_address(self.address))
            peer.send(wire.message(wire.Message.STAT))
            report: dict[str, Any] = json.loads(peer.recv(1 << 18)[wire.HEADER.size :])
        return report

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(WAIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def close(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(WAIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            status = self.close()
            assert kind is not None or status == 0
