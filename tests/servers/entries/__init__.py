"""All servers, one file each."""

from __future__ import annotations

from importlib import import_module

from tests.servers.server import Server

NAMES = (
    *("haproxy", "trafficserver", "nginx", "apache", "lighttpd", "stunnel"),
    *("dovecot", "postfix", "postgresql", "mariadb", "redis", "memcached", "mosquitto"),
    *("named", "unbound", "dnsdist", "dnsdist_1_9", "dnsdist_async", "openvpn", "node", "ruby", "php", "erlang"),
)

SERVERS: dict[str, Server] = {name: import_module(f"{__name__}.{name}").SERVER for name in NAMES}
"""By name."""
