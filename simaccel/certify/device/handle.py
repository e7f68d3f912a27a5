"""The scripted device, as the scenarios use it. Starts its process, commands it, kills it, and reads its counts."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from simaccel.certify.device.process import MOST_BYTES, serve
from simaccel.certify.device.script import Ending

PATIENCE_S = 60.0
"""How long the device process may take to answer. It answers at once unless the machine hangs."""

_serial = count(1)


class DeviceGone(Exception):
    """The device process does not answer. It was killed, by the scenario or by somebody else."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The device's counts at one moment."""

    held: int
    """How many requests are held until a release."""
    in_flight: int
    most: int
    """The most that were ever in flight at a time."""
    done: int
    by_op: dict[str, int]
    told: dict[str, int]
    """What the providers in the server's processes have counted; see `simaccel stat`."""


class ScriptedDevice:
    """A device process of our own, at an address that nobody else knows. A context manager. Not for threads."""

    def __init__(self, uids: Sequence[int] = ()) -> None:
        """`uids`: users that may connect besides our own and root."""
        self.address = f"@simaccel-certify-{os.getpid()}-{next(_serial)}"
        self._uids = tuple(uids)
        self._pid = 0
        self._control: socket.socket | None = None
        self.start()

    def start(self) -> None:
        """Start it, or start it again after `kill`, at the same address. Returns when it serves."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            serve(self.address, self._uids, theirs, parent)
        theirs.close()
        ours.settimeout(PATIENCE_S)
        self._pid, self._control = pid, ours
        if not ours.recv(MOST_BYTES):
            self.kill()
            raise DeviceGone("the device process ended as it started")

    # What happens to requests

    def hold(self) -> None:
        """Hold what comes from now on."""
        self._follow(holding=True)

    def pass_on(self, *, delay_ns: int = 0, ending: Ending = Ending.RIGHT) -> None:
        """Complete what comes from now on after that delay and in that way. What is held now stays held."""
        self._follow(delay_ns=delay_ns, ending=ending)

    def release(self, number: int | None = None, *, order: Sequence[int] = (), ending: Ending = Ending.RIGHT) -> None:
        """Complete that many of the held requests, or all. `order`: the places of those that complete first."""
        self._ask(do="release", count=number, order=list(order), ending=ending)

    def go(self) -> None:
        """Stop holding: complete everything that is held, and everything that comes."""
        self.pass_on()
        self.release()

    def wake(self) -> int:
        """Wake all jobs whose requests are held, without completing anything. Returns how many were woken."""
        return int(self._ask(do="wake")["woken"])

    def _follow(self, holding: bool = False, delay_ns: int = 0, ending: Ending = Ending.RIGHT) -> None:
        self._ask(do="follow", holding=holding, delay_ns=delay_ns, ending=ending)

    # What is known of it

    def state(self) -> DeviceState:
        """Its counts now."""
        told = self._ask(do="nothing")
        return DeviceState(told["held"], told["in_flight"], told["most"], told["done"], told["by_op"], told["told"])

    def told(self, name: str) -> int:
        """One of the counts of the providers in the server's processes."""
        return self.state().told.get(name, 0)

    def pids(self) -> list[int]:
        """The pid of its process, in a list that is empty while the process is killed."""
        return [self._pid] if self._pid else []

    @property
    def runs(self) -> bool:
        """Whether it was started and not killed."""
        return self._control is not None

    def _ask(self, **command: Any) -> dict[str, Any]:
        if self._control is None:
            raise DeviceGone("the device was killed")
        try:
            self._control.send(json.dumps(command).encode())
            data = self._control.recv(MOST_BYTES)
        except OSError as error:
            raise DeviceGone(f"the device does not answer: {error}") from None
        if not data:
            raise DeviceGone("the device process has ended")
        answer: dict[str, Any] = json.loads(data)
        return answer

    # Its end

    def kill(self) -> None:
        """kill -9."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        if self._control is not None:
            self._control.close()
        self._pid, self._control = 0, None

    def __enter__(self) -> ScriptedDevice:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
