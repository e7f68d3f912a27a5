"""Makes the members of a fleet from accelerators, addresses, and functions that make an accelerator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sim import Accelerator, RealClock
from sim.errors import SimError, UsageError
from simaccel.bridge.client.accelerator import RemoteAccelerator
from simaccel.fleet.member import Make, Member

Given = Any
"""An accelerator, the address of a device process, or a function that makes an accelerator."""


def open_members(given: Iterable[Given], depth: int) -> tuple[list[Member], Any]:
    """The members and their common clock. Blocks while it connects. If it raises UsageError, it closes what it made."""
    members: list[Member] = []
    try:
        for number, one in enumerate(given):
            members.append(_member(number, one, depth))
        _check_unassisted(members)
        return members, _common_clock(members)
    except BaseException:
        for member in members:
            if member.make is not None and member.accel is not None:  # nobody else can close it
                member.accel.close()
        raise


def _check_unassisted(members: Iterable[Member]) -> None:
    for member in members:
        if getattr(member.accel, "assistant", None) is not None:
            raise UsageError(
                f"{member.name} was made with assist: a fleet gives requests to whichever device it chooses, and "
                "its callers can't assist; make it without"
            )


def close_accelerators(accels: Iterable[Any], *, drain: bool) -> None:
    """Close each of them once, as far as it can be closed."""
    for accel in {id(one): one for one in accels if one is not None}.values():
        close = getattr(accel, "close", None)
        if isinstance(accel, Accelerator | RemoteAccelerator):
            accel.close(drain=drain)
        elif close is not None:
            close()


def _member(number: int, given: Given, depth: int) -> Member:
    if isinstance(given, str):
        return _made(given, _connector(given, depth))
    if isinstance(given, Accelerator) or hasattr(given, "submit"):
        return Member(f"device {number}", given, None)
    if callable(given):
        return _made(f"device {number}", given)
    raise UsageError(f"member {given!r}: give an accelerator, an address, or a function that makes an accelerator")


def _connector(address: str, depth: int) -> Make:
    return lambda: RemoteAccelerator(address, depth=depth)


def _made(name: str, make: Make) -> Member:
    try:
        return Member(name, make(), make)
    except UsageError:
        raise
    except SimError as error:
        member = Member(name, None, make)
        member.why_down = str(error)
        return member


def _common_clock(members: list[Member]) -> Any:
    if not members:
        raise UsageError("a fleet without members: give at least one accelerator or address")
    clocks = [member.accel.clock for member in members if member.accel is not None]
    if not clocks:
        return RealClock()
    if any(clock is not clocks[0] for clock in clocks if clock.virtual or clocks[0].virtual):
        raise UsageError("members with different clocks: give all of them one VirtualClock, or leave all in real time")
    return clocks[0]
