"""memcached with TLS."""

from __future__ import annotations

import ssl

from tests.servers.server import Server, Site, Way
from tests.servers.talk import MEMCACHED, answers, connect, secured


def _reload(site: Site, _: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connect(site.port, context, secured(answers(b"refresh_certs", b"OK")))


SERVER = Server(
    name="memcached",
    title="memcached",
    packages=("memcached",),
    program="/usr/bin/memcached",
    way=Way.BLOCKS,
    port=11211,
    needs="The device must allow its user: `--allow-user memcache`.",
    files={},
    command=(
        *("memcached", "-u", "memcache", "-l", "127.0.0.1", "-p", "@port@", "-U", "0", "-Z"),
        *("-o", "ssl_chain_cert=@folder@/cert.pem,ssl_key=@folder@/key.pem"),
    ),
    talk=MEMCACHED,
    reload=_reload,
    reloads="its command `refresh_certs`",
    users=("memcache",),
    owner="memcache",
)
