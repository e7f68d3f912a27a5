"""Apache Traffic Server with a root of its own."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.servers.server import Server, Site, Way, by_signal
from tests.servers.talk import http, secured

_RECORDS = """\
CONFIG proxy.config.http.server_ports STRING @port@:ssl:ip-in=127.0.0.1
CONFIG proxy.config.ssl.async.handshake.enabled INT 1
CONFIG proxy.config.ssl.server.cert.path STRING @folder@
CONFIG proxy.config.ssl.server.private_key.path STRING @folder@
CONFIG proxy.config.admin.user_id STRING trafficserver
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 2
"""

_RUN_ROOT = """\
prefix: @folder@
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/bin
sysconfdir: @folder@/etc
datadir: @folder@/cache
includedir: /usr/include
libdir: /usr/lib
libexecdir: /usr/lib/trafficserver/modules
localstatedir: @folder@/var
runtimedir: @folder@/var/run
logdir: @folder@/var/log
cachedir: @folder@/cache
"""

_OTHER_FILES = ("ip_allow.yaml", "logging.yaml", "sni.yaml", "strategies.yaml")
_EMPTY_FILES = ("cache", "hosting", "parent", "plugin", "remap", "socks", "splitdns", "volume")


def _prepare(site: Site) -> None:
    etc = site.folder / "etc"
    for name in _EMPTY_FILES:
        (etc / f"{name}.config").touch()
    for name in _OTHER_FILES:
        (etc / name).write_text((Path("/etc/trafficserver") / name).read_text())


SERVER = Server(
    name="trafficserver",
    title="Apache Traffic Server",
    packages=("trafficserver",),
    program="/usr/bin/traffic_server",
    way=Way.PAUSES,
    port=443,
    needs="`proxy.config.ssl.async.handshake.enabled` makes it pause. traffic_manager starts it as a set-user-id "
    "program, and libcrypto ignores OPENSSL_CONF in such a program. So start traffic_server itself, as here, or "
    "write what `simaccel openssl --config` prints into /etc/ssl/openssl.cnf. After its start it runs as "
    "trafficserver, so the device must allow that user: `--allow-user trafficserver`.",
    files={
        "etc/records.config": _RECORDS,
        "etc/ssl_multicert.config": "dest_ip=* ssl_cert_name=cert.pem ssl_key_name=key.pem\n",
        "etc/storage.config": "@folder@/cache 16M\n",
        "runroot.yaml": _RUN_ROOT,
    },
    command=("traffic_server", "--run-root=@folder@/runroot.yaml"),
    talk=secured(http(b"404", b"Not Found on Accelerator")),  # it has nothing to serve
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP; it shows a new certificate only after a restart, because `traffic_ctl config reload` needs the "
    "manager",
    rereads=False,
    users=("trafficserver",),
    owner="trafficserver",
    folders=("var/run", "var/log", "cache", "etc"),
    prepare=_prepare,
    shown="etc/records.config",
)
