"""MariaDB, with a thread for each client."""

from __future__ import annotations

from tests.servers.server import Server, Site, Way, run
from tests.servers.talk import MYSQL

_CONFIG = """\
[mariadbd]
user = mysql
datadir = @folder@/data
socket = @folder@/mysql.sock
pid-file = @folder@/mysql.pid
bind-address = 127.0.0.1
port = @port@
skip-name-resolve
init-file = @folder@/init.sql
ssl-cert = @folder@/cert.pem
ssl-key = @folder@/key.pem
"""


def _prepare(site: Site) -> None:
    run(
        "mariadb-install-db",
        f"--defaults-file={site.folder}/my.cnf",
        "--skip-test-db",
        "--auth-root-authentication-method=socket",
    )


def _reload(site: Site, _: int) -> None:
    run("mariadb", "--no-defaults", f"--socket={site.folder}/mysql.sock", "--execute=FLUSH SSL")


SERVER = Server(
    name="mariadb",
    title="MariaDB",
    packages=("mariadb-server",),
    program="/usr/sbin/mariadbd",
    way=Way.BLOCKS,
    port=3306,
    needs="The device must allow its user: `--allow-user mysql`.",
    files={"my.cnf": _CONFIG, "init.sql": "CREATE USER IF NOT EXISTS nobody@'127.0.0.1';\n"},
    command=("mariadbd", "--defaults-file=@folder@/my.cnf"),
    talk=MYSQL,
    reload=_reload,
    reloads="`FLUSH SSL`",
    users=("mysql",),
    owner="mysql",
    prepare=_prepare,
    shown="my.cnf",
)
