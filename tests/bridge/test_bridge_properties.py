"""How programs select the device: by a property that only our provider has, or by the provider's name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.bridge.conftest import require
from tests.bridge.device import DeviceProcess
from tests.bridge.tls import client_context, free_port, get, make_certificate, wait_for_port
from tests.bridge.toolbox import PREFIX, Toolbox, by_op, run
from tests.limits import WAIT_S

_STUNNEL = """\
foreground = yes
debug = 3
pid =
[frontend]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
cert = {pem}
"""


@pytest.mark.skipif(bool(PREFIX), reason="Debian's stunnel uses the system's OpenSSL")
def test_stunnel_with_its_own_provider_clause_uses_the_device(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    """stunnel asks for `provider!=fips`, which would replace `?provider=simaccel`."""
    require("stunnel", "haproxy")
    backend, port = free_port(), free_port()
    plain = tmp_path / "backend.cfg"
    plain.write_text(
        "defaults\n mode http\n timeout client 20s\n timeout server 20s\n timeout connect 20s\n"
        f"frontend plain\n bind 127.0.0.1:{backend}\n"
        " http-request return status 200 content-type text/plain string served\n"
    )
    config = tmp_path / "stunnel.conf"
    config.write_text(_STUNNEL.format(port=port, backend=backend, pem=make_certificate(tmp_path, "rsa")))
    environment = toolbox.environment(device.address)
    with (tmp_path / "log").open("wb") as log:
        servers = [
            subprocess.Popen(["haproxy", "-db", "-f", str(plain)], env=environment, stdout=log, stderr=log),
            subprocess.Popen(["stunnel", str(config)], env=environment, stdout=log, stderr=log),
        ]
        try:
            for server, its_port in zip(servers, (backend, port), strict=True):
                wait_for_port(its_port, server)
            for _ in range(5):
                get(port, client_context(), b"served")
            report = device.stat()
        finally:
            for server in servers:
                server.terminate()
                server.wait(WAIT_S)
    assert by_op(report, "rsa-sign") == 5
    assert by_op(report, "x25519") == 5


@pytest.mark.parametrize(
    ("default", "own", "offloaded"),
    [
        ("?simaccel.offload=yes", None, 1),
        ("?simaccel.offload=yes", "provider!=fips", 1),
        ("?provider=simaccel", None, 1),
        ("?provider=simaccel", "provider!=fips", 0),
        ("provider=default", "?simaccel.offload=yes", 0),
        ("?simaccel.offload!=yes", None, 0),
    ],
)
def test_which_property_reaches_the_device(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, default: str, own: str | None, offloaded: int
) -> None:
    """`default` stands in the configuration, `own` is what the program asks for itself.

    The configuration's say is replaced name by name, so that `?provider=simaccel` is lost to any `provider` clause.
    """
    key, message, config = tmp_path / "key.pem", tmp_path / "message", tmp_path / "openssl.cnf"
    message.write_bytes(b"x" * 32)
    environment = toolbox.environment(device.address)
    run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", str(key)], environment)
    config.write_text(toolbox.config.read_text().replace("?simaccel.offload=yes", default))
    environment["OPENSSL_CONF"] = str(config)
    command = ["openssl", "pkeyutl", "-sign", "-inkey", str(key), "-in", str(message), "-out", str(tmp_path / "out")]
    run([*command, *(["-propquery", own] if own is not None else [])], environment)
    assert by_op(device.stat(), "ecdsa-sign") == offloaded
