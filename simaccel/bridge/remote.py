"""Asking a running device process about itself, from another process."""

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

PATIENCE_S = 5.0
"""How long a device may take to let us in, and to answer."""

MAX_REPORT_BYTES = 1 << 18
MAX_PAGES = 10_000


_TIMEVAL = struct.Struct("@ll")


class NoDeviceError(SimError):
    """No device answers at that socket, or it refuses us."""


def connect(name: str, *, any_user: bool = False, trusted: tuple[int, ...] = ()) -> socket.socket:
    """A connection to the device at that socket, with a time-out of PATIENCE_S.

    The device is to be root's, our own or that of one of the `trusted` uids, unless it may be any user's. Blocks for
    PATIENCE_S at most, while the device lets in those who came before. Raises UsageError for a name that can't be one,
    else NoDeviceError.
    """
    try:
        address = wire.socket_address(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        _connect_patiently(peer, address)
        peer.settimeout(PATIENCE_S)
        # Anybody may take an abstract name that is free, and keys are about to go over.
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
        raise NoDeviceError(f"no device at {name}: {error.strerror or error}; start one with simaccel serve") from None
    except BaseException:
        peer.close()
        raise
    return peer


def _connect_patiently(peer: socket.socket, address: str) -> None:
    """Connects. Where the device's queue is full, waits in line for PATIENCE_S, and then raises BlockingIOError.

    With a time-out of Python's own the socket would not block, and a full queue would be EAGAIN at once; there is
    nothing to poll for. A socket that blocks waits in the kernel, in the order of arrival. Python must not know that it
    blocks: after a signal it would take an interrupted connect for one that goes on by itself, which is so for TCP.
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
    """What the device at that socket says of itself, with all its clients. Raises as `connect` does."""
    report = _ask(name, wire.stat())
    # One connection for each page, so that none waits long for us. Who comes meanwhile is on the last page.
    for _ in range(MAX_PAGES):
        following = report.pop("next", None)
        if following is None:
            return report
        further = _ask(name, wire.stat(following)) if isinstance(following, int) and 0 < following < 2**63 else {}
        if not isinstance(further.get("clients"), list) or not isinstance(report.get("clients"), list):
            break
        report["clients"] += further["clients"]
        report["next"] = further.get("next")
    raise NoDeviceError(f"the device at {name} answers with what is no report")


def inject(name: str, faults: str) -> dict[str, Any]:
    """Has the device meet these faults from now on, or with an empty text none any more; its report then.

    Raises as `connect` does; a text that is no fault is refused by the device, which is a NoDeviceError.
    """
    return _ask(name, wire.message(wire.Message.INJECT, faults.encode()))


def _ask(name: str, message: bytes) -> dict[str, Any]:
    with connect(name, any_user=True) as peer:  # root may look after the devices of others
        try:
            with suppress(BrokenPipeError):  # refused for who we are: the reason is there to read
                peer.send(message)
            try:
                data = peer.recv(MAX_REPORT_BYTES)
            except ConnectionResetError:  # refused before it had read what we said: the reason comes after this error
                data = peer.recv(MAX_REPORT_BYTES)
        except OSError as error:
            raise NoDeviceError(f"the device at {name} does not answer: {error}") from None
    if len(data) < wire.HEADER.size:
        raise NoDeviceError(f"the device at {name} closed the connection")
    magic, version, kind = wire.HEADER.unpack_from(data)
    if magic != wire.MAGIC or version != wire.VERSION:
        raise NoDeviceError(f"the device at {name} speaks another protocol: install the same simaccel on both sides")
    if kind != wire.Message.REPORT:
        raise NoDeviceError(f"the device at {name} refused: {data[wire.HEADER.size :].decode(errors='replace')}")
    try:
        report = json.loads(data[wire.HEADER.size :])
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        raise NoDeviceError(f"the device at {name} answers with what is no report")
    return report


def default_address() -> str:
    """Where a device is, unless it is said otherwise: SIMACCEL_SOCKET, as for the provider."""
    return os.environ.get("SIMACCEL_SOCKET") or "@simaccel"
