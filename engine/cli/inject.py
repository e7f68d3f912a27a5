"""`simaccel inject`: changes the faults of a running device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from engine.cli.exits import FAILED, OK, complain
from sim import UsageError, parse_faults
from sim.bridge import NoDeviceError, default_address, inject


def command(
    fault: Annotated[str | None, typer.Argument(help="Such as lose:op=ecdsa-sign,p=0.01")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all faults.")] = False,
    socket: Annotated[str, typer.Option(help="Where the device is. [default: $SIMACCEL_SOCKET or @simaccel]")] = "",
) -> Callable[[], int]:
    """Have a running device meet a fault, or none any more."""
    if (fault is None) is not clear:
        raise UsageError("give a fault, such as lose:every=100, or --clear")
    if fault is not None:
        parse_faults(fault)  # so that a wrong one is told here, and as usage
    return lambda: _inject(socket or default_address(), fault or "")


def _inject(address: str, fault: str) -> int:
    try:
        inject(address, fault)
    except NoDeviceError as error:
        complain(str(error))
        return FAILED
    return OK
