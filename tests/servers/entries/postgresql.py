"""PostgreSQL, which forks a process for each client."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.servers.server import Server, Site, Way, as_user, by_signal, run
from tests.servers.talk import POSTGRES

_BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/bin"))
_CONFIG = """\
ssl = on
ssl_cert_file = '@folder@/cert.pem'
ssl_key_file = '@folder@/key.pem'
listen_addresses = '127.0.0.1'
port = @port@
unix_socket_directories = '@folder@'
max_connections = 40
"""


def _prepare(site: Site) -> None:
    run(*as_user("postgres"), _BIN / "initdb", "--no-sync", "--auth=trust", "-D", site.folder / "data")
    with (site.folder / "data" / "postgresql.conf").open("a") as file:
        file.write((site.folder / "ours.conf").read_text())


SERVER = Server(
    name="postgresql",
    title="PostgreSQL",
    packages=("postgresql-15",),
    program=str(_BIN / "postgres"),
    way=Way.BLOCKS,
    port=5432,
    needs="It runs as postgres, so the device must allow that user: `--allow-user postgres`. Each client has a process "
    "of its own, and each process makes a connection to the device, which costs the device 2 ms. By default "
    "`ssl_ecdh_curve` is prime256v1, which only software does.",
    files={"ours.conf": _CONFIG},
    command=(*as_user("postgres"), str(_BIN / "postgres"), "-D", "@folder@/data"),
    talk=POSTGRES,
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP, which is `pg_ctl reload`",
    users=("postgres",),
    owner="postgres",
    prepare=_prepare,
    x25519=(),
    shown="ours.conf",
)
