"""Servers that can't use the device, and why. Each claim is checked: the server serves, and the device sees nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simaccel.certify.server_process.server import ServerProcess as Process
from simaccel.certify.target import Target
from simaccel.cli.openssl_setup.diagnosis import diagnose
from simaccel.cli.openssl_setup.running_process import Process as Seen
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.tls import client_context, free_port
from tests.limits import WAIT_S
from tests.servers.running import environment, write_certificate
from tests.servers.server import Site, package_version, run
from tests.servers.talk import connect, http, secured

COUNT = 5
_GNUTLS = secured(http(b"200", b"GnuTLS"))


@dataclass(frozen=True, slots=True)
class Stranger:
    """One server that the device can't serve."""

    name: str
    title: str
    packages: tuple[str, ...]
    program: str
    why: str
    """Why it can't use the device, in sentences for the page."""
    command: tuple[str, ...]
    client: Callable[[int], object]
    """Connects once, and fails unless the server used its key."""
    prepare: Callable[[Site], object] = lambda _: None
    says: str = ""
    """A part of what `simaccel check` says of the process."""

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return Path(self.program).exists()

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"apt-get install {' '.join(self.packages)}"

    def version(self) -> str:
        """The version of its package."""
        return package_version(self.packages[0])

    def openssl(self) -> str:
        """The version of this machine's OpenSSL."""
        return package_version("libssl3").partition("-")[0]


def _ssh(port: int) -> None:
    """The client asks for the host key, which signs the exchange."""
    command = ["ssh-keyscan", "-t", "rsa", "-p", str(port), "127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert "ssh-rsa " in done.stdout, done


def _prepare_ssh(site: Site) -> None:
    run("ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", site.folder / "host")
    Path("/run/sshd").mkdir(exist_ok=True)


_ALL = (
    Stranger(
        name="openssh",
        title="OpenSSH 9.2",
        packages=("openssh-server", "openssh-client"),
        program="/usr/sbin/sshd",
        why="It calls RSA_sign and ECDSA_do_sign of libcrypto, which work on the key itself and ask no provider.",
        command=(
            *("/usr/sbin/sshd", "-D", "-e", "-f", "none", "-p", "@port@", "-h", "@folder@/host"),
            *("-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none", "-o", "MaxStartups=100"),
        ),
        client=_ssh,
        prepare=_prepare_ssh,
    ),
    Stranger(
        name="gnutls",
        title="Programs with GnuTLS, here gnutls-serv",
        packages=("gnutls-bin",),
        program="/usr/bin/gnutls-serv",
        why="GnuTLS does its cryptography with nettle, and has no providers. Exim, CUPS and others of Debian are built "
        "with it.",
        command=(
            *("gnutls-serv", "--http", "--port", "@port@", "--x509certfile", "@folder@/cert.pem"),
            *("--x509keyfile", "@folder@/key.pem"),
        ),
        client=lambda port: connect(port, client_context(), _GNUTLS),
        says="it has loaded no libcrypto",
    ),
)

STRANGERS = {stranger.name: stranger for stranger in _ALL}
"""By name."""


def check_stranger(stranger: Stranger, provider: Path) -> dict[str, Any]:
    """Serve some clients, and look whether the device saw anything. Returns what was seen, for JSON. Raises
    AssertionError."""
    folder = Path(tempfile.mkdtemp(prefix=f"simaccel-{stranger.name}-"))
    folder.chmod(0o755)
    site = Site(folder, free_port(), free_port())
    try:
        write_certificate(folder, "rsa", "first")
        stranger.prepare(site)
        command = (sys.executable, "-m", "simaccel", "openssl", "--", *map(site.filled, stranger.command))
        target = Target(command, port=site.port, limit_s=WAIT_S)
        with DeviceProcess(module=SERVE) as device:
            with Process(target, environment(device.address, provider), folder / "output") as process:
                for _ in range(COUNT):
                    stranger.client(site.port)
                sentences = [diagnose(seen).sentence for seen in Seen.all_of(process.pids())]
            report = device.stat()
        assert report["by_op"] == {}, report["by_op"]
        assert any(stranger.says in sentence for sentence in sentences), sentences
    finally:
        shutil.rmtree(folder)
    return {"connections": COUNT, "operations": 0}
