"""`simaccel inject`: adds a fault to a running device, or removes all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from sim import UsageError, parse_faults
from simaccel.bridge import NoDeviceError, inject
from simaccel.cli.exits import FAILED, OK, complain
from simaccel.cli.socket_option import Socket, address_of


def command(
    fault: Annotated[
        str | None, typer.Argument(metavar="RULE", help="What goes wrong, such as lose:op=ecdsa-sign,p=0.01.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all faults.")] = False,
    socket: Socket = "",
) -> Callable[[], int]:
    """Add a fault to a running device, or remove all faults."""
    if (fault is None) is not clear:
        raise UsageError("give a fault, such as lose:every=100, or --clear")
    if fault is not None:
        parse_faults(fault)  # an invalid rule is a usage error, for which the device need not be asked
    address = address_of(socket)
    return lambda: _inject(address, fault or "")


def _inject(address: str, fault: str) -> int:
    try:
        inject(address, fault)
    except NoDeviceError as error:
        complain(str(error))
        return FAILED
    return OK
