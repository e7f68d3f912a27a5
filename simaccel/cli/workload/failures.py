"""What went wrong, told on stderr as it happens: the first of it in full, then how much more."""

from __future__ import annotations

from simaccel.cli.exits import complain

SHOWN = 10


class Failures:
    """Counts what went wrong."""

    def __init__(self) -> None:
        self.count = 0
        self._paths: set[str] = set()

    def add(self, message: str) -> None:
        """An operation failed or was wrong. Beyond the tenth they are only counted."""
        self.count += 1
        if self.count <= SHOWN:
            complain(message)

    def add_path(self, message: object) -> None:
        """A path can't be read. Told in full, but once, however many ways come to it."""
        text = str(message)
        if text not in self._paths:
            self._paths.add(text)
            complain(text)

    def end(self) -> None:
        """Tell how many were not told."""
        if self.count > SHOWN:
            complain(f"and {self.count - SHOWN:,} more like these")

    @property
    def any(self) -> bool:
        """Whether there was anything."""
        return bool(self.count or self._paths)
