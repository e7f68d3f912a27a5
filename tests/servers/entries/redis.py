"""Redis with a TLS port."""

from __future__ import annotations

from tests.servers.server import Server, Site, Way, as_user, run
from tests.servers.talk import REDIS

_CONFIG = """\
port 0
tls-port @port@
bind 127.0.0.1
tls-cert-file @folder@/cert.pem
tls-key-file @folder@/key.pem
tls-auth-clients no
unixsocket @folder@/redis.sock
dir @folder@
save ""
"""


def _reload(site: Site, _: int) -> None:
    files = ("tls-cert-file", site.folder / "cert.pem", "tls-key-file", site.folder / "key.pem")
    assert run("redis-cli", "-s", site.folder / "redis.sock", "CONFIG", "SET", *files).strip() == "OK"


SERVER = Server(
    name="redis",
    title="Redis",
    packages=("redis-server",),
    program="/usr/bin/redis-server",
    way=Way.BLOCKS,
    port=6379,
    needs="One thread does everything, and waits for each handshake. The device must allow its user: `--allow-user "
    "redis`.",
    files={"redis.conf": _CONFIG},
    command=(*as_user("redis"), "redis-server", "@folder@/redis.conf"),
    talk=REDIS,
    reload=_reload,
    reloads="`CONFIG SET tls-cert-file FILE tls-key-file FILE`",
    users=("redis",),
    owner="redis",
    shown="redis.conf",
)
