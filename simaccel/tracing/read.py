"""Reads a trace, for Perfetto or for replay, and returns the devices that are in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sim import TraceError, load_trace
from simaccel.tracing.packets import BEGIN, CALLER_FLOWS, END, INSTANT
from simaccel.tracing.protobuf import fields, varint
from simaccel.tracing.story import DeviceStory

MAX_PACKET_BYTES = 1 << 20


def read_trace(path: str) -> list[DeviceStory]:
    """The devices of a trace, in its order. Raises TraceError for a file that is not ours, and OSError."""
    with open(path, "rb") as file:
        first = file.read(1)
    if first != b"\x0a":
        return _of_lines(load_trace(path).lines)
    try:
        devices = _Perfetto(path).devices
    except TraceError as error:
        raise TraceError(f"{path} is damaged: {error}") from None
    if not devices:
        raise TraceError(f"{path} is a Perfetto trace, but not one of simaccel: no device is in it")
    return devices


def _of_lines(lines: tuple[str, ...]) -> list[DeviceStory]:
    devices: list[DeviceStory] = []
    device = DeviceStory("device")
    for line in lines:
        words = line.split(" ")
        time_ns, what, number = int(words[0]), words[1], int(words[2])
        if what == "way":
            device = DeviceStory(f"by {words[3]}")
            devices.append(device)
        elif what == "submit":
            device.submit(time_ns, number, words[3])
        elif what == "start":
            device.start(number, int(words[4]))
        elif what == "complete":
            device.complete(time_ns, number, "" if words[3] == "ok" else words[3])
        elif what == "wake":
            device.hand_out(time_ns, number)
            device.end(number)
        elif what == "full":
            device.full_begins(time_ns)
        elif what == "fault":
            device.faults[words[3]] += 1
    devices = devices or [device]
    for device in devices:
        device.finish()
    return devices


@dataclass(slots=True)
class _Track:
    name: str
    parent: int
    device: DeviceStory | None
    depth_ns: list[int]
    """The begins of the slices that are open."""
    op: str = ""


class _Perfetto:
    """The devices of a Perfetto file that `PerfettoTrace` has written."""

    def __init__(self, path: str) -> None:
        self.devices: list[DeviceStory] = []
        self._tracks: dict[int, _Track] = {}
        self._names: dict[int, str] = {}
        self._owners: dict[int, DeviceStory] = {}
        """By flow: the device that it was submitted to. Its service may be drawn on another one."""
        for packet in _packets(path):
            self._packet(packet)
        for device in self.devices:
            device.finish()

    def _packet(self, data: bytes) -> None:
        time_ns = 0
        for number, value, length in fields(data, 0, len(data)):
            if number == 8:
                time_ns = value
            elif number == 11:
                self._event(time_ns, data, value, value + length)
            elif number == 12:
                self._intern(data, value, value + length)
            elif number == 60:
                self._describe(data, value, value + length)

    def _intern(self, data: bytes, at: int, end: int) -> None:
        for number, value, length in fields(data, at, end):
            if number == 2:
                entry = {field: (place, size) for field, place, size in fields(data, value, value + length)}
                if 1 in entry and 2 in entry:
                    place, size = entry[2]
                    self._names[entry[1][0]] = data[place : place + size].decode(errors="replace")

    def _describe(self, data: bytes, at: int, end: int) -> None:
        uuid = parent = 0
        name = ""
        for number, value, length in fields(data, at, end):
            if number == 1:
                uuid = value
            elif number == 2:
                name = data[value : value + length].decode(errors="replace")
            elif number == 5:
                parent = value
        above = self._tracks.get(parent)
        device = None if above is None else above.device
        # The parent of this track stands for a device, and all tracks below that parent belong to the device.
        if name == "submission ring" and above is not None:
            device = above.device = DeviceStory(above.name)
            self.devices.append(device)
        if name == "jobs" and device is not None:
            device.has_callers = True
        self._tracks[uuid] = _Track(name, parent, device, [])

    def _event(self, time_ns: int, data: bytes, at: int, end: int) -> None:
        kind = track = name = flow = 0
        for number, value, _ in fields(data, at, end):
            if number == 11:
                track = value
            elif number == 9:
                kind = value
            elif number == 10:
                name = value
            elif number == 47 and value < CALLER_FLOWS:
                flow = value
        where = self._tracks.get(track)
        if where is None:
            return
        what = self._names.get(name, "")
        device = self._owners.get(flow, where.device) if flow else where.device
        if device is None:
            return
        if kind == BEGIN:
            self._begin(time_ns, where, device, what, flow)
        elif kind == END:
            self._end(time_ns, where, device)
        elif kind == INSTANT:
            self._instant(time_ns, where, device, what, flow)

    def _begin(self, time_ns: int, track: _Track, device: DeviceStory, what: str, flow: int) -> None:
        if track.name == "ring full":
            device.full_begins(time_ns)
        elif flow:
            device.start(flow, time_ns)
        else:
            if what == "slot":
                device.waits[track.op] += 1
            elif what != "paused":
                track.op = what
            track.depth_ns.append(time_ns)

    def _end(self, time_ns: int, track: _Track, device: DeviceStory) -> None:
        if track.name == "ring full":
            device.full_ends(time_ns)
        elif track.depth_ns:
            track.depth_ns.pop()

    def _instant(self, time_ns: int, track: _Track, device: DeviceStory, what: str, flow: int) -> None:
        if what.startswith("submit "):
            if track.device is not None:
                self._owners[flow] = track.device
                track.device.submit(time_ns, flow, what.removeprefix("submit "))
        elif what == "hand out":
            device.hand_out(time_ns, flow)
            if not device.has_callers:
                self._owners.pop(flow, None)
                device.end(flow)
        elif what == "resume":
            self._owners.pop(flow, None)
            called_ns = track.depth_ns[-1] if track.depth_ns else -1  # the operation; a transaction is around it
            device.end(flow, time_ns, called_ns, track.name)
        elif what == "complete" or (what.startswith("complete ") and track.name == "completion ring"):
            device.complete(time_ns, flow, what.removeprefix("complete").strip())
        elif what.startswith("fault "):
            device.faults[what.removeprefix("fault ")] += 1


def _packets(path: str) -> Iterator[bytes]:
    """The packets of a file, one after the other. A last one that was cut off is left out."""
    with open(path, "rb") as file:
        buffered, at = b"", 0
        while True:
            if len(buffered) - at < MAX_PACKET_BYTES:
                buffered, at = buffered[at:] + file.read(4 * MAX_PACKET_BYTES), 0
            if at >= len(buffered):
                return
            key, after = varint(buffered, at, len(buffered))
            if key != 10:
                raise TraceError("it is no sequence of packets")
            length, after = varint(buffered, after, len(buffered))
            if length > MAX_PACKET_BYTES:
                raise TraceError(f"a packet of {length:,} bytes")
            if after + length > len(buffered):
                return
            yield buffered[after : after + length]
            at = after + length
