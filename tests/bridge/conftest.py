"""Fixtures: what is compiled once, and a device for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests import forked
from tests.bridge.device import DeviceProcess
from tests.bridge.toolbox import PREFIX, Installed, Toolbox, run
from tests.shared import once


def require(*programs: str) -> None:
    """Skips a test whose programs are not installed; in CI that fails."""
    for program in programs:
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
            reason = f"{program} is not installed: apt-get install it"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> Iterator[None]:
    """What device processes are forked from."""
    forked.start()
    yield
    forked.end()


@pytest.fixture(scope="session")
def toolbox(tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    """The provider and the verifying program."""
    require("cc", "make", "openssl")
    return Toolbox.built_in(once(tmp_path_factory, "toolbox", Toolbox.build))


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    """The same with AddressSanitizer and UBSan."""
    require("cc", "make", "openssl")
    return Toolbox.built_in(once(tmp_path_factory, "sanitized", lambda folder: Toolbox.build(folder, sanitize=True)))


@pytest.fixture(scope="session")
def post_quantum(tmp_path_factory: pytest.TempPathFactory) -> Toolbox:
    """The provider, for an OpenSSL that has ML-DSA and ML-KEM."""
    require("cc", "make", "openssl")
    openssl = Installed(PREFIX or os.environ.get("SIMACCEL_NEWER_OPENSSL", ""))
    listed = run(["openssl", "list", "-signature-algorithms"], {"PATH": openssl.path}).stdout
    if b"ML-DSA-65" not in listed:
        reason = (
            "this OpenSSL has no ML-DSA: set SIMACCEL_NEWER_OPENSSL to what tests/bridge/debian_openssl.sh has made"
        )
        if os.environ.get("CI") and not PREFIX:
            pytest.fail(reason)
        pytest.skip(reason)
    folder = once(tmp_path_factory, "post-quantum", lambda folder: Toolbox.build_provider(folder, openssl))
    return Toolbox.built_in(folder, openssl)


@pytest.fixture
def device() -> Iterator[DeviceProcess]:
    """A device of this test alone."""
    with DeviceProcess() as process:
        yield process
