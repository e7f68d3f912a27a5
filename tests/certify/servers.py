"""The servers that are certified: our own in C, and real ones with their configurations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import forked
from tests.bridge.tls import free_port
from tests.bridge.toolbox import PATH, ROOT, Toolbox

LIMIT_S = 100
"""For what must happen."""
SOON_S = 1.5
"""For what a planted fault prevents. The time for which a process has no CPU does not count."""

_HAPROXY = """\
global
    ssl-mode-async
    ssl-propquery ?simaccel.offload=yes
    maxconn 1200
    maxpipes 1200
    nbthread 2
defaults
    mode http
    timeout client 900s
    timeout server 900s
    timeout connect 900s
frontend tls
    bind 127.0.0.1:{port} ssl crt {folder}/rsa.pem crt {folder}/ec.pem ca-file {folder}/ec.crt verify optional
    http-request return status 200 content-type text/plain string "served by haproxy"
"""

_TRAFFIC_SERVER = """\
CONFIG proxy.config.http.server_ports STRING {port}:ssl
CONFIG proxy.config.ssl.async.handshake.enabled INT 1
CONFIG proxy.config.ssl.server.cert.path STRING {folder}
CONFIG proxy.config.ssl.server.private_key.path STRING {folder}
CONFIG proxy.config.ssl.CA.cert.filename STRING ec.crt
CONFIG proxy.config.ssl.CA.cert.path STRING {folder}
CONFIG proxy.config.ssl.client.certification_level INT 1
CONFIG proxy.config.ssl.session_cache INT 0
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 2
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.cache.ram_cache.size INT 1048576
"""

_RUN_ROOT = """\
prefix: {root}
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/bin
sysconfdir: {root}/etc
datadir: {root}/cache
includedir: /usr/include
libdir: /usr/lib
libexecdir: /usr/lib/trafficserver/modules
localstatedir: {root}/var
runtimedir: {root}/var/run
logdir: {root}/var/log
cachedir: {root}/cache
"""

_OTHER_FILES = ("ip_allow.yaml", "logging.yaml", "sni.yaml", "strategies.yaml")
_EMPTY_FILES = ("cache", "hosting", "parent", "plugin", "remap", "socks", "splitdns", "volume")


@dataclass(frozen=True, slots=True)
class Subject:
    """A server to be certified: its port, its command, and what certify has to be told of it."""

    port: int
    command: list[str]
    options: list[str]


@dataclass(frozen=True, slots=True)
class Workshop:
    """What was built once: our own server and certificates."""

    folder: Path

    def ours(self, by: str = "fd", fault: str = "none") -> Subject:
        """The server in C. `by`: fd or callback."""
        port = free_port()
        pems = [str(self.folder / "rsa.pem"), str(self.folder / "ec.pem")]
        return Subject(port, [str(self.folder / "server"), str(port), by, fault, *pems], ["--reload-signal", "HUP"])

    def haproxy(self, folder: Path) -> Subject:
        """With two threads, as master and worker."""
        port = free_port()
        (folder / "haproxy.cfg").write_text(_HAPROXY.format(port=port, folder=self.folder))
        options = ["--reload-signal", "USR2", "--stop-signal", "USR1", *self._shown()]
        return Subject(port, ["haproxy", "-W", "-f", str(folder / "haproxy.cfg")], options)

    def traffic_server(self, folder: Path) -> Subject:
        """With a root of its own."""
        port, root = free_port(), folder / "root"
        for name in ("etc", "var/run", "var/log", "cache"):
            (root / name).mkdir(parents=True)
        etc = root / "etc"
        (etc / "records.config").write_text(_TRAFFIC_SERVER.format(port=port, folder=self.folder))
        (etc / "ssl_multicert.config").write_text("dest_ip=* ssl_cert_name=rsa.pem,ec.pem\n")
        (etc / "storage.config").write_text(f"{root}/cache 16M\n")
        for name in _EMPTY_FILES:
            (etc / f"{name}.config").touch()
        for name in _OTHER_FILES:
            (etc / name).write_text((Path("/etc/trafficserver") / name).read_text())
        (root / "runroot.yaml").write_text(_RUN_ROOT.format(root=root))
        command = ["traffic_server", f"--run-root={root}/runroot.yaml"]
        return Subject(port, command, ["--reload-signal", "HUP", *self._shown()])

    def s_server(self, folder: Path) -> Subject:
        """OpenSSL's own, which serves one client at a time."""
        port = free_port()
        keys = []
        for option, kind in (("", "rsa"), ("d", "ec")):
            keys += [
                f"-{option}cert",
                str(self.folder / f"{kind}.crt"),
                f"-{option}key",
                str(self.folder / f"{kind}.key"),
            ]
        address = f"127.0.0.1:{port}"
        command = ["openssl", "s_server", "-async", "-accept", address, *keys, "-quiet", "-verify", "1"]
        return Subject(port, command, [])

    def _shown(self) -> list[str]:
        return ["--client-certificate", str(self.folder / "ec.pem")]


def certify(
    subject: Subject, toolbox: Toolbox, *scenarios: str, limit_s: float = LIMIT_S, more: tuple[str, ...] = ()
) -> tuple[int, dict[str, Any]]:
    """Runs `simaccel certify server`. Returns its exit code and its JSON."""
    chosen = [word for name in scenarios for word in ("--scenario", name)]
    done = simaccel_certify(
        *("--connect", f"127.0.0.1:{subject.port}", "--json", "-", "--seed", "1", "--limit", str(limit_s)),
        *subject.options,
        *chosen,
        *more,
        "--",
        *subject.command,
        toolbox=toolbox,
    )
    assert done[1], done[2]
    return done[0], json.loads(done[1])


def simaccel_certify(*arguments: str, toolbox: Toolbox) -> tuple[int, str, str]:
    """Runs `simaccel certify server` with these arguments, to its end. Returns exit code, stdout and stderr."""
    variables = {"SIMACCEL_MODULE": str(toolbox.provider), "PATH": PATH, "PYTHONPATH": str(ROOT)}
    done = forked.run("simaccel", "certify", "server", *arguments, environment=variables)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def outcomes(result: dict[str, Any]) -> dict[str, str]:
    """By scenario."""
    return {verdict["name"]: verdict["outcome"] for verdict in result["verdicts"]}
