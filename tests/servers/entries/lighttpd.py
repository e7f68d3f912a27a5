"""lighttpd with its OpenSSL module."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import HTTP

_CONFIG = """\
server.modules = ("mod_openssl")
server.username = "www-data"
server.groupname = "www-data"
server.bind = "127.0.0.1"
server.port = @port@
server.document-root = "@folder@/www"
server.errorlog = "@folder@/error.log"
index-file.names = ("index.html")
ssl.engine = "enable"
ssl.pemfile = "@folder@/cert.pem"
ssl.privkey = "@folder@/key.pem"
"""

SERVER = Server(
    name="lighttpd",
    title="lighttpd",
    packages=("lighttpd", "lighttpd-mod-openssl"),
    program="/usr/lib/lighttpd/mod_openssl.so",
    way=Way.BLOCKS,
    port=443,
    needs="It needs its module mod_openssl: the modules for other libraries do not use the device. It runs as "
    "www-data, so the device must allow that user: `--allow-user www-data`. To start again after SIGUSR1 it "
    "must be able to read the key as that user.",
    files={"lighttpd.conf": _CONFIG, "www/index.html": "served by lighttpd"},
    command=("lighttpd", "-D", "-f", "@folder@/lighttpd.conf"),
    talk=HTTP,
    reload=by_signal(signal.SIGUSR1),
    reloads="SIGUSR1",
    users=("www-data",),
    owner="www-data",
    shown="lighttpd.conf",
)
