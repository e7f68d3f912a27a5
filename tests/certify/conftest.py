"""Fixtures: the provider, our own server, and certificates, each made once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bridge.conftest import fork_server, require, toolbox
from tests.bridge.tls import make_certificate
from tests.bridge.toolbox import run
from tests.certify.servers import Workshop
from tests.shared import once

__all__ = ["fork_server", "toolbox"]

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Our own server, compiled, and certificates for all servers."""
    require("cc", "openssl")
    return Workshop(once(tmp_path_factory, "certify", _build))


def _build(folder: Path) -> None:
    flags = ["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(folder / "server")]
    sources = map(str, sorted((HERE / "server").glob("*.c")))
    run(["cc", *flags, *sources, "-lssl", "-lcrypto", "-pthread"], {"PATH": "/usr/bin:/bin"})
    for kind in ("rsa", "ec"):
        make_certificate(folder, kind)
