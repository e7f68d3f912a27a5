"""The wheel of a machine where the provider was built: it holds it, and finds it. Needs pip and its index."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tests.bridge.device import fresh_address
from tests.limits import WAIT_S, patient_variables
from tests.project.test_wheel import run

pytestmark = [
    pytest.mark.in_ci,  # pip and its index take longer than all other tests of this folder
    pytest.mark.watchdog(900),
    pytest.mark.xdist_group("wheel_provider"),
]


@pytest.fixture(scope="module")
def installed(wheel_with_provider: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of an environment with the wheel. What the wheel asks for is that of this environment.

    That everything it asks for can be installed is tested in test_wheel.py.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    python = folder / "bin" / "python"
    (libraries,) = folder.glob("lib/python*/site-packages")
    # A path from a .pth file is no site folder itself, so simaccel's editable installation there is not seen.
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-compile")
    run(*pip, "--ignore-installed", wheel_with_provider, folder=folder)
    return folder / "bin"


def test_its_name_says_for_which_machine_it_is(wheel_with_provider: Path) -> None:
    platform = re.sub("[-.]", "_", sysconfig.get_platform())
    assert wheel_with_provider.name.endswith(f"-py3-none-{platform}.whl")
    archive = zipfile.ZipFile(wheel_with_provider)
    (described,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
    assert "Root-Is-Purelib: false" in archive.read(described).decode()


def test_it_holds_the_provider_under_the_libcrypto_that_it_is_for(wheel_with_provider: Path) -> None:
    machine_code = [name for name in zipfile.ZipFile(wheel_with_provider).namelist() if name.endswith(".so")]
    assert len(machine_code) == 1
    assert re.fullmatch(r"simaccel/provider/libcrypto\.so\.\d+/simaccel\.so", machine_code[0])


def test_its_bill_of_materials_names_it(wheel_with_provider: Path) -> None:
    archive = zipfile.ZipFile(wheel_with_provider)
    (bill,) = (name for name in archive.namelist() if ".dist-info/sboms/" in name)
    files = [part for part in json.loads(archive.read(bill))["components"] if part["type"] == "file"]
    assert [(part["name"], part["hashes"][0]["content"]) for part in files] == [
        (name, sha256(archive.read(name)).hexdigest()) for name in archive.namelist() if name.endswith(".so")
    ]


def test_programs_load_it_and_use_the_device(installed: Path, tmp_path: Path) -> None:
    address = fresh_address()
    environment = {"PATH": f"{installed}:/usr/bin:/bin", "SIMACCEL_SOCKET": address, "TMPDIR": str(tmp_path)}
    environment |= patient_variables()

    def simaccel(*arguments: str) -> str:
        done = subprocess.run(
            [installed / "simaccel", *arguments],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert simaccel("openssl", "--module").startswith(f"{installed.parent}/")
    assert "simaccel, a simulated accelerator" in simaccel("openssl", "--", "openssl", "list", "-providers")
    with subprocess.Popen([installed / "simaccel", "serve"], env=environment, stdout=subprocess.PIPE) as device:
        assert device.stdout is not None
        assert device.stdout.readline().decode() == f"serving at {address}\n"
        request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", os.devnull)
        simaccel("openssl", "--", "openssl", *request)
        assert '"rsa-sign": 1' in simaccel("stat", "--json")
        device.terminate()
