"""Addresses to listen at, as HOST:PORT. An error says what is wrong with an address."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from sim import UsageError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. `host` is an IP address, or a name."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(option: str, text: str) -> Address:
    """HOST:PORT, :PORT or PORT; the default host is 127.0.0.1. Port 0 is any that is free. Raises UsageError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"{option} {text}: use HOST:PORT, such as 127.0.0.1:9464, with a port from 0 to 65535")
    return Address(host, int(port))


def listening(option: str, address: Address) -> socket.socket:
    """A socket that listens there. Raises UsageError with the address and the reason if it can't listen."""
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((address.host, address.port))
            found.listen(128)
        except BaseException:
            found.close()
            raise
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{option} {address}: {why}; give an address of this machine with a free port") from None
    return found
