"""What a scheduler has to keep going while its jobs wait: polled engines, and devices in virtual time."""

from __future__ import annotations

from engine.protocol import Source


class Sources:
    """Those of one scheduler, in the order in which its jobs named them. All calls belong to its thread."""

    __slots__ = ("known", "unpumped")

    def __init__(self) -> None:
        self.known: dict[Source, None] = {}
        """Open to the scheduler, for which a call at each operation is too dear."""
        self.unpumped = 0
        """Turns since they were last seen to."""

    def pump(self) -> bool:
        """Poll each, or jump its clock; whether that moved anything."""
        self.unpumped = 0
        moved = False
        for source in list(self.known):
            if source.polled and source.poll():
                moved = True
            elif source.clock.virtual:
                moved = source.clock.jump() or moved
        return moved

    def only_virtual(self) -> bool:
        """Whether every waiting job waits in virtual time, so that no thread will ever wake one."""
        return bool(self.known) and all(source.clock.virtual for source in self.known)

    def polled_in_real_time(self) -> list[Source]:
        """Those that must tell a sleeping scheduler that there is something to poll for."""
        return [source for source in self.known if source.polled and not source.clock.virtual]
