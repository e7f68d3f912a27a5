"""The control socket of a device process, as other processes use it: to connect, and to ask for reports."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from contextlib import suppress
from typing import Any

from sim.errors import SimError, UsageError
from simaccel.bridge import wire
from simaccel.bridge.peer import credentials
from simaccel.version import __version__

PATIENCE_S = 5.0
"""How long a device may take to let us in, and how long it may take to answer."""

MAX_REPORT_BYTES = 1 << 18
MAX_PAGES = 10_000

_TIMEVAL = struct.Struct("@ll")


SAME_ON_BOTH_SIDES = "install the same simaccel on both sides"


class NoDeviceError(SimError):
    """No device answers at that socket, or it refuses us."""


def open_control(name: str, *, any_user: bool = False, trusted: tuple[int, ...] = ()) -> socket.socket:
    """A connection to the device at that socket, with a time-out of PATIENCE_S.

    The device must run as root, as our own user, or as one of the `trusted` uids; with `any_user` it may run as any.
    Blocks for at most PATIENCE_S, while the device lets in those who came before. Raises UsageError if the name is not
    valid, and NoDeviceError for everything else.
    """
    try:
        address = wire.socket_address(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        _connect_patiently(peer, address)
        peer.settimeout(PATIENCE_S)
        # Anybody may bind an abstract name that is free, and we are about to send keys there.
        _, uid = credentials(peer)
        if not any_user and uid not in (0, os.geteuid(), os.getuid(), *trusted):
            raise NoDeviceError(
                f"the device at {name} belongs to another user, {uid}: name it in trusted_users if you trust it"
            )
    except BlockingIOError:
        peer.close()
        raise NoDeviceError(f"the device at {name} is busy: it has let nobody in for {PATIENCE_S:.0f} s") from None
    except OSError as error:
        peer.close()
        cure = "start one with simaccel serve"
        if name.startswith("@") and isinstance(error, ConnectionRefusedError):
            # An abstract name belongs to a network namespace. Nothing tells us whether a device in another one has it.
            cure += ". A device in another container must have a path as its socket"
        raise NoDeviceError(f"no device at {name}: {error.strerror or error}; {cure}") from None
    except BaseException:
        peer.close()
        raise
    return peer


def _connect_patiently(peer: socket.socket, address: str) -> None:
    """Connects. If the device's queue is full, waits for PATIENCE_S, and then raises BlockingIOError.

    With one of Python's own time-outs the socket would not block. A full queue would then be EAGAIN at once, and there
    is nothing to poll for. A blocking socket waits in the kernel, in the order of arrival. But Python must not know
    that it blocks: after a signal it would take the interrupted connect for one that goes on by itself, as with TCP.
    """
    end_s = time.monotonic() + PATIENCE_S
    peer.setblocking(False)
    os.set_blocking(peer.fileno(), True)
    while True:
        left_us = max(1, int((end_s - time.monotonic()) * 1e6))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(*divmod(left_us, 1_000_000)))
        try:
            peer.connect(address)
            return
        except InterruptedError:  # a signal; its handler has run
            if time.monotonic() >= end_s:
                raise BlockingIOError from None


def read_report(name: str) -> dict[str, Any]:
    """The report of the device at that socket, with all its clients. Blocks and raises as `open_control` does."""
    report = _ask(name, wire.stat())
    # One connection for each page, so that nobody waits long for us. Clients that come meanwhile are on the last page.
    for _ in range(MAX_PAGES):
        following = report.pop("next", None)
        if following is None:
            return report
        further = _ask(name, wire.stat(following)) if isinstance(following, int) and 0 < following < 2**63 else {}
        if not isinstance(further.get("clients"), list) or not isinstance(report.get("clients"), list):
            break
        report["clients"] += further["clients"]
        report["next"] = further.get("next")
    raise NoDeviceError(f"the device at {name} does not answer with a report")


def inject(name: str, faults: str) -> dict[str, Any]:
    """Makes the device meet these faults from now on, or with an empty text no faults. Returns its report after that.

    Blocks and raises as `open_control` does. Also raises NoDeviceError if the device refuses the text.
    """
    return _ask(name, wire.message(wire.Message.INJECT, faults.encode()))


def _ask(name: str, message: bytes) -> dict[str, Any]:
    with open_control(name, any_user=True) as peer:  # root may look after the devices of others
        try:
            with suppress(BrokenPipeError):  # refused because of our user: the reason can still be read
                peer.send(message)
            try:
                data = peer.recv(MAX_REPORT_BYTES)
            except ConnectionResetError:  # refused before it read our message: the reason comes after this error
                data = peer.recv(MAX_REPORT_BYTES)
        except OSError as error:
            raise NoDeviceError(f"the device at {name} does not answer: {error}") from None
    if len(data) < wire.HEADER.size:
        raise NoDeviceError(f"the device at {name} closed the connection")
    magic, version, kind = wire.HEADER.unpack_from(data)
    if magic != wire.MAGIC:
        raise NoDeviceError(f"what answers at {name} is no simaccel device")
    if version != wire.VERSION:
        raise NoDeviceError(another_version(name, version))
    if kind != wire.Message.REPORT:
        raise NoDeviceError(f"the device at {name} refused: {data[wire.HEADER.size :].decode(errors='replace')}")
    try:
        report = json.loads(data[wire.HEADER.size :])
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        raise NoDeviceError(f"the device at {name} does not answer with a report")
    return report


def another_version(name: str, version: int) -> str:
    """The text of the error about a device of another version of simaccel. A device says the same of a client."""
    return f"the device at {name} speaks version {version} of the protocol, we {wire.VERSION}: {SAME_ON_BOTH_SIDES}"


UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)
"""What is raised by those who look for figures in a report that has not got them, or has something else there."""


def unreadable_report(name: str) -> str:
    """The text about a device whose report has not the figures that we look for."""
    return (
        f"the device at {name} is another simaccel than ours, {__version__}, and reports other figures: "
        f"{SAME_ON_BOTH_SIDES}"
    )


def default_address() -> str:
    """The address of the device by default: the first of SIMACCEL_SOCKET, as for the provider, or else @simaccel."""
    return os.environ.get("SIMACCEL_SOCKET", "").partition(",")[0].strip() or "@simaccel"
