"""Unbound with DNS over TLS, in a chroot."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import DNS

_CONFIG = """\
server:
    do-daemonize: no
    username: unbound
    chroot: "@folder@"
    directory: "@folder@"
    pidfile: ""
    use-syslog: no
    num-threads: 2
    interface: 127.0.0.1@@port@
    tls-port: @port@
    tls-service-pem: "@folder@/cert.pem"
    tls-service-key: "@folder@/key.pem"
    incoming-num-tcp: 100
    access-control: 127.0.0.0/8 allow
    local-zone: "test." static
    local-data: "served.test. A 127.0.0.1"
remote-control:
    control-enable: no
"""

SERVER = Server(
    name="unbound",
    title="Unbound, DNS over TLS",
    packages=("unbound",),
    program="/usr/sbin/unbound",
    way=Way.BLOCKS,
    port=853,
    needs="The device must allow its user: `--allow-user unbound`. An abstract socket name works in its chroot. Raise "
    "`incoming-num-tcp`: the default of 10 clients for each thread makes it drop others, with and without a device.",
    files={"unbound.conf": _CONFIG},
    command=("unbound", "-d", "-c", "@folder@/unbound.conf"),
    talk=DNS,
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP; it shows a new certificate only after a restart",
    rereads=False,
    drops="It closes all its connections, with and without a device.",
    users=("unbound",),
    owner="unbound",
    shown="unbound.conf",
)
