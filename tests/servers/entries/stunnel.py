"""stunnel without root."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import ECHO

_CONFIG = """\
foreground = yes
pid =
setuid = stunnel4
setgid = stunnel4
output = @folder@/stunnel.log
[tls]
accept = 127.0.0.1:@port@
cert = @folder@/cert.pem
key = @folder@/key.pem
exec = /bin/cat
"""

SERVER = Server(
    name="stunnel",
    title="stunnel",
    packages=("stunnel4",),
    program="/usr/bin/stunnel4",
    way=Way.BLOCKS,
    port=443,
    needs="After its start it runs as stunnel4, so the device must allow that user: `--allow-user stunnel4`. To "
    "reload, it must be able to read the key as that user.",
    files={"stunnel.conf": _CONFIG},
    command=("stunnel4", "@folder@/stunnel.conf"),
    talk=ECHO,
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP",
    drops="It closes its port and opens it again, so clients that come at that moment are reset, with and without a "
    "device.",
    users=("stunnel4",),
    owner="stunnel4",
    shown="stunnel.conf",
)
