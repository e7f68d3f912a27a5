"""Where the device is: the option `--socket` of each command that talks to one."""

from __future__ import annotations

from typing import Annotated

import typer

from sim import UsageError
from simaccel.bridge import default_address
from simaccel.bridge.wire import socket_address

Socket = Annotated[
    str, typer.Option(help="A path, or @ and an abstract name. [default: $SIMACCEL_SOCKET or @simaccel]")
]


def address_of(socket: str) -> str:
    """The address that was said. Raises UsageError if it can't be one."""
    address = socket or default_address()
    try:
        socket_address(address)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return address
