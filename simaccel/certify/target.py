"""What is certified: the server's command and port, and what the scenarios must know about it."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from sim import UsageError

LONGEST_S = 86_400


@dataclass(frozen=True, slots=True)
class Target:
    """A server, which will be started again and again. Raises UsageError for values that can't be used."""

    command: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 4433
    reload: signal.Signals | None = None
    """The signal that makes it read its configuration again. None if it can't do that."""
    stop: signal.Signals = signal.SIGTERM
    """The signal that makes it finish what it has begun, and then end."""
    certificate: Path | None = None
    """A PEM file with the certificate and key that a client shows. None: one is made."""
    connects: int = 1000
    """How many clients come at once in the scenario about that."""
    limit_s: float = 60.0
    """A scenario fails if what must happen takes longer than this. It is far longer than a busy machine takes."""
    uids: tuple[int, ...] = ()
    """Users that the server's processes switch to."""

    def __post_init__(self) -> None:
        if not self.command:
            raise UsageError("give the server's command after --, such as -- ./my-server --port 4433")
        if not 1 <= self.port <= 65_535:
            raise UsageError(f"port {self.port}: use a number from 1 to 65535")
        if not 1 <= self.connects <= 20_000:
            raise UsageError(f"--connects {self.connects}: use a number from 1 to 20,000")
        if not 0 < self.limit_s <= LONGEST_S:
            raise UsageError(f"--limit {self.limit_s}: use seconds above 0, at most {LONGEST_S:,}")


def signal_named(name: str) -> signal.Signals:
    """The signal of that name, such as USR2 or SIGUSR2, or of that number. Raises UsageError for any other text."""
    try:
        if name.isdigit():
            return signal.Signals(int(name))
        return signal.Signals["SIG" + name.upper().removeprefix("SIG")]
    except (KeyError, ValueError):
        raise UsageError(f"signal {name!r}: use a name such as HUP or USR2, or its number") from None
