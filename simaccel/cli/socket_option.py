"""The option `--socket` of every command that talks to a device process: the address of that process."""

from __future__ import annotations

from typing import Annotated

import typer

from sim import UsageError
from simaccel.bridge import default_address
from simaccel.bridge.wire import socket_address

Socket = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="The device's socket: a path, or @ and an abstract name. [default: $SIMACCEL_SOCKET or @simaccel]",
    ),
]


def address_of(socket: str) -> str:
    """The address given, or the default. Raises UsageError for text that can't be an address."""
    address = socket or default_address()
    try:
        socket_address(address)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return address
