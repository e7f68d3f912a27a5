"""BIND's named with DNS over TLS."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import DNS

_CONFIG = """\
tls here {
    cert-file "@folder@/cert.pem";
    key-file "@folder@/key.pem";
};
options {
    directory "@folder@";
    pid-file "@folder@/named.pid";
    session-keyfile "@folder@/session.key";
    listen-on port @port@ tls here { 127.0.0.1; };
    listen-on-v6 { none; };
    recursion no;
    dnssec-validation no;
};
controls { };
zone "test" { type primary; file "@folder@/test.zone"; };
"""

_ZONE = """\
@ 60 IN SOA localhost. root.localhost. 1 60 60 60 60
@ 60 IN NS localhost.
served 60 IN A 127.0.0.1
"""

SERVER = Server(
    name="named",
    title="BIND named, DNS over TLS",
    packages=("bind9",),
    program="/usr/sbin/named",
    way=Way.BLOCKS,
    port=853,
    needs="The device must allow its user: `--allow-user bind`.",
    files={"named.conf": _CONFIG, "test.zone": _ZONE},
    command=("named", "-f", "-n", "2", "-u", "bind", "-c", "@folder@/named.conf"),
    talk=DNS,
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP, which is `rndc reload`",
    users=("bind",),
    owner="bind",
    shown="named.conf",
)
