"""Prints what goes wrong on stderr, as it happens: the first failures in full, and at the end how many more there
were."""

from __future__ import annotations

from simaccel.cli.exits import complain

SHOWN = 10


class Failures:
    """Counts what went wrong."""

    def __init__(self) -> None:
        self.count = 0
        self._paths: set[str] = set()

    def add(self, message: str) -> None:
        """Note that an operation failed or was wrong. After the tenth they are only counted."""
        self.count += 1
        if self.count <= SHOWN:
            complain(message)

    def add_path(self, message: object) -> None:
        """Note that a path can't be read. Each is printed, but only once, even if several ways come to it."""
        text = str(message)
        if text not in self._paths:
            self._paths.add(text)
            complain(text)

    def end(self) -> None:
        """Print how many failures were not printed."""
        if self.count > SHOWN:
            complain(f"and {self.count - SHOWN:,} more like these")

    @property
    def any(self) -> bool:
        """Whether anything failed."""
        return bool(self.count or self._paths)
