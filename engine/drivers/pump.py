"""What a scheduler must keep going while its jobs wait: engines that are polled, and devices in virtual time."""

from __future__ import annotations

from engine.protocol import Source


class Pump:
    """The sources of one scheduler, in the order in which its jobs named them. For the scheduler's thread only."""

    __slots__ = ("sources", "unpumped")

    def __init__(self) -> None:
        self.sources: dict[Source, None] = {}
        """Public, because the scheduler adds to it at each operation: a call there would cost too much."""
        self.unpumped = 0
        """Turns of the scheduler since the last `run`."""

    def run(self) -> bool:
        """Poll each source, or jump its clock. Returns whether that moved anything."""
        self.unpumped = 0
        moved = False
        for source in list(self.sources):
            if source.polled and source.poll():
                moved = True
            elif source.clock.virtual:
                moved = source.clock.jump() or moved
        return moved

    def only_virtual(self) -> bool:
        """Whether all sources are in virtual time, so that no thread will ever wake a job."""
        return bool(self.sources) and all(source.clock.virtual for source in self.sources)

    def polled_in_real_time(self) -> list[Source]:
        """The sources that must wake a sleeping scheduler when there is something to poll for."""
        return [source for source in self.sources if source.polled and not source.clock.virtual]
