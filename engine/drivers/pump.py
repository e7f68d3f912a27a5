"""The pump of a scheduler. While all jobs wait, it keeps going what does not go by itself: it polls the engines that
must be polled, and jumps virtual clocks."""

from __future__ import annotations

from engine.protocol import Source


class Pump:
    """The pump of one scheduler. For the scheduler's thread only."""

    __slots__ = ("sources", "unpumped")

    def __init__(self) -> None:
        self.sources: dict[Source, None] = {}
        """What to poll or to jump, in the order in which the jobs first used it. The scheduler adds to it directly at
        each operation, because a call would cost too much."""
        self.unpumped = 0
        """How many turns of the scheduler have passed since the last `run`."""

    def run(self) -> bool:
        """Poll each source, or jump its clock. Returns whether anything moved."""
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

    def let_go(self) -> None:
        """Let the devices go on by themselves, because nobody polls the sources until the scheduler runs again."""
        for source in self.polled_in_real_time():
            source.notify_once(_nobody)


def _nobody() -> None:
    """Does nothing. Called when there is something to poll for, but nobody polls any more."""
