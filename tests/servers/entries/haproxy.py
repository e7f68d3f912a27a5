"""HAProxy as its operators run it: a master, and workers without root in a chroot."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import HTTP

_CONFIG = """\
global
    user haproxy
    group haproxy
    chroot /var/lib/haproxy
    nbthread 2
    ssl-mode-async
    ssl-propquery ?simaccel.offload=yes
    maxconn 2000
    maxpipes 2000
defaults
    mode http
    timeout client 300s
    timeout server 300s
    timeout connect 300s
frontend tls
    bind 127.0.0.1:@port@ ssl crt @folder@/both.pem
    http-request return status 200 content-type text/plain string "served by haproxy"
"""

SERVER = Server(
    name="haproxy",
    title="HAProxy",
    packages=("haproxy",),
    program="/usr/sbin/haproxy",
    way=Way.PAUSES,
    port=443,
    needs="`ssl-mode-async` makes it pause, and `ssl-propquery` makes it prefer the device. Raise `maxpipes` as "
    "[the page about OpenSSL](openssl.md#servers) says.",
    files={"haproxy.cfg": _CONFIG},
    command=("haproxy", "-W", "-f", "@folder@/haproxy.cfg"),
    talk=HTTP,
    reload=by_signal(signal.SIGUSR2),
    reloads="SIGUSR2 to the master",
    users=("haproxy",),
    shown="haproxy.cfg",
)
