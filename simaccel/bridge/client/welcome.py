"""The client's half of the handshake: from a connected socket to memory that is shared with the device.

Whatever the device sends is checked before it is used. If anything is wrong NoDeviceError is raised, whether the device
is broken, hostile, or of another version. No fd that it sent stays open then.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import select
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from simaccel.bridge import wire
from simaccel.bridge.remote import NoDeviceError, another_version
from simaccel.bridge.wire import Layout

FDS = 3
"""How many fds come with the welcome: memory, doorbell and interrupt."""

_EVENTFD = "anon_inode:[eventfd]"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a client gets from the device besides the socket."""

    layout: Layout
    mapping: mmap.mmap
    doorbell: int
    """An eventfd."""
    interrupt: select.epoll


def agree(control: socket.socket, name: str, entries: int, slot_bytes: int) -> Welcome:
    """Asks the device for a ring of at most this many entries, and takes what it gives.

    Blocks for at most the socket's time-out. Raises ValueError for invalid sizes, and NoDeviceError if the device
    refuses, does not answer, or sends something wrong.
    """
    most = Layout.of(entries, slot_bytes)
    data, fds = _ask(control, name, wire.hello(entries, slot_bytes))
    with ExitStack() as opened:
        for fd in fds:
            opened.callback(os.close, fd)
        layout = _layout(data, name, most)
        try:
            if len(fds) != FDS:
                raise ValueError(f"{len(fds)} fds came with it")
            memfd, doorbell, interrupt = fds
            mapping = _mapped(memfd, layout)
            opened.callback(mapping.close)
            _check_doorbell(doorbell)
            _check_interrupt(interrupt)
        except (OSError, ValueError) as error:
            raise NoDeviceError(f"the device at {name} sent a wrong welcome: {error}") from None
        opened.pop_all()
    os.close(memfd)
    return Welcome(layout, mapping, doorbell, select.epoll.fromfd(interrupt))


def _ask(control: socket.socket, name: str, hello: bytes) -> tuple[bytes, list[int]]:
    try:
        with suppress(BrokenPipeError):  # refused because of our user: the reason can still be read
            control.send(hello)
        try:
            data, fds, _, _ = _receive(control)
        except ConnectionResetError:  # refused before it read our message: the reason comes after this error
            data, fds, _, _ = _receive(control)
    except OSError as error:
        raise NoDeviceError(f"the device at {name} does not answer: {error}") from None
    return data, fds


def _receive(control: socket.socket) -> tuple[bytes, list[int], int, object]:
    return socket.recv_fds(control, wire.MAX_MESSAGE_BYTES, FDS, socket.MSG_CMSG_CLOEXEC)


def _layout(data: bytes, name: str, most: Layout) -> Layout:
    """The layout in the device's answer. It must be no larger than was asked for, and laid out as in this version."""
    if len(data) < wire.HEADER.size:
        raise NoDeviceError(f"the device at {name} closed the connection")
    magic, version, kind = wire.HEADER.unpack_from(data)
    if magic != wire.MAGIC:
        raise NoDeviceError(f"what answers at {name} is no simaccel device")
    if version != wire.VERSION:
        raise NoDeviceError(another_version(name, version))
    if kind == wire.Message.REFUSED:
        raise NoDeviceError(f"the device at {name} refused: {data[wire.HEADER.size :].decode(errors='replace')}")
    if len(data) == wire.WELCOME.size:
        entries = wire.WELCOME.unpack(data)[3]
        with suppress(ValueError):
            layout = Layout.of(min(entries, most.entries), most.slot_bytes)
            if data == wire.welcome(layout):
                return layout
    raise NoDeviceError(f"the device at {name} sent a wrong welcome: it does not fit what was asked for")


def _mapped(memfd: int, layout: Layout) -> mmap.mmap:
    """Maps the memory, after a check: to read from memory that is, or becomes, too small would be a SIGBUS."""
    if not fcntl.fcntl(memfd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
        raise ValueError("its memory can shrink")
    size_bytes = os.fstat(memfd).st_size
    if size_bytes < layout.memory_bytes:
        raise ValueError(f"its memory has {size_bytes} bytes, and the message says {layout.memory_bytes}")
    mapping = mmap.mmap(memfd, layout.memory_bytes)
    # The child of a fork must not have it, because two processes on one ring would overwrite each other's submissions.
    # Core dumps must not have it, because keys pass through it.
    mapping.madvise(mmap.MADV_DONTFORK)
    mapping.madvise(mmap.MADV_DONTDUMP)
    return mapping


def _check_doorbell(doorbell: int) -> None:
    """Raises unless it is an eventfd. A write to another fd could block, or end up in some file."""
    with suppress(FileNotFoundError):  # there is no /proc
        if (kind := os.readlink(f"/proc/self/fd/{doorbell}")) != _EVENTFD:
            raise ValueError(f"its doorbell is {kind}")
    os.set_blocking(doorbell, False)


def _check_interrupt(interrupt: int) -> None:
    """Raises unless it is an epoll. Another fd could not be acknowledged, and would be readable for ever."""
    with select.epoll.fromfd(os.dup(interrupt)) as epoll:
        try:
            epoll.poll(0, 1)
        except OSError as error:
            raise ValueError(f"its interrupt is not an epoll: {error.strerror}") from None
