"""A Perfetto file of what happens on a device and to those who wait for it.

`PerfettoTrace` takes the same events as a trace for replay, and draws each as it comes. Its memory is bounded: it keeps
a portion of rows, the tracks, and the numbers of the latest requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from weakref import ref

from simaccel.tracing.caller_tracks import MOST_TRACKS, CallerTracks
from simaccel.tracing.device_tracks import DeviceTracks
from simaccel.tracing.file import PerfettoFile

EVENTS = 2_500
"""After this many events their rows are written, which are usually about `simaccel.tracing.file.PORTION`."""
KEPT_NUMBERS = 1 << 16
"""The numbers of this many latest requests are kept. What happens to an older request is drawn without an arrow."""


class PerfettoTrace:
    """A `sim.Tracer`, and the trace of an engine, that writes a Perfetto file. A context manager.

    Any thread may add events. If the file ends early, `error` says why. In virtual time, equal seeds give files that
    are equal to the byte.
    """

    def __init__(self, path: str | os.PathLike[str], name: str = "device") -> None:
        """Raises OSError if the file can't be opened."""
        self.file = PerfettoFile(path)
        self._until_flush = EVENTS
        self._devices = 0
        self._numbers: dict[int, int] = {}
        self._submitted = 0
        self._things: dict[str, dict[int, tuple[int, ref[Any]]]] = {"job": {}, "wait context": {}}
        """By kind and id: the number of a thing."""
        self._alive = 1_024
        """About how many things of one kind were alive at once at most."""
        self._counts: dict[str, int] = {}
        self._names: dict[tuple[str, int], str] = {}
        self._name = name
        self._draw: dict[str, Callable[..., object]] = {}
        """How the events of each word are drawn, once there is a device."""

    @property
    def error(self) -> OSError | None:
        """Why the file ends early; None if it does not."""
        return self.file.error

    def number(self, request: object) -> None:
        """A request has got its slot: give it the next number."""
        self._submitted = number = self._submitted + 1
        numbers = self._numbers
        numbers[id(request)] = number
        if not number % KEPT_NUMBERS:  # the number decides, not the ids, so that equal seeds give equal files
            oldest = number - KEPT_NUMBERS
            self._numbers = {key: value for key, value in numbers.items() if value > oldest}

    def identify(self, kind: str, thing: object, name: str) -> int:
        """A number from 1 for this job or wait context."""
        # Not a WeakKeyDictionary: that takes four times as long, and this runs twice for each operation.
        things = self._things[kind]
        found = things.get(id(thing))
        if found is not None and found[1]() is thing:
            return found[0]
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        things[id(thing)] = number, ref(thing)
        if number <= MOST_TRACKS:
            self._names[kind, number] = f"{kind} {number} {name}".rstrip()
        if len(things) > 2 * self._alive:  # forget those that are gone
            self._things[kind] = alive = {key: found for key, found in things.items() if found[1]() is not None}
            self._alive = max(self._alive, len(alive))
        return number

    def add(self, time_ns: int, what: str, request: Any = None, *details: Any) -> None:
        """Something happened."""
        number = self._numbers.get(id(request), 0)
        draw = self._draw.get(what)
        if draw is not None:
            draw(time_ns, number, request, *details)
        else:
            self._add_rarer(time_ns, number, request, what, details)
        self._until_flush = left = self._until_flush - 1
        if left <= 0:
            self._until_flush = EVENTS
            self.file.flush()

    def _add_rarer(self, time_ns: int, number: int, request: Any, what: str, details: tuple[Any, ...]) -> None:
        if what == "way":  # In `simaccel run`, the events from here on are of another device.
            self._begin(f"by {details[0]}")
        elif not self._draw:
            self._begin(self._name)
            self.add(time_ns, what, request, *details)
        else:
            self._draw["other"](time_ns, number, request, " ".join(map(str, (what, *details))))

    def _begin(self, name: str) -> None:
        self._devices += 1
        device = DeviceTracks(self.file, name, self._devices)
        callers = CallerTracks(self.file, device.group, lambda kind, number: self._names[kind, number])
        self._draw = {
            word.removeprefix("on_"): getattr(tracks, word)
            for tracks in (device, callers)
            for word in dir(tracks)
            if word.startswith("on_")
        }

    def close(self) -> None:
        """Write what is left. Calling again does nothing."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
