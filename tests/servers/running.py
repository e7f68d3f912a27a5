"""A server and its device, as they run for one check."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simaccel.certify.server_process.server import ServerProcess as Process
from simaccel.certify.target import Target
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.tls import free_port, make_certificate
from tests.bridge.toolbox import PATH, ROOT
from tests.limits import WAIT_S, patient_variables
from tests.servers.server import Server, Site
from tests.waiting import wait_until

CERTIFICATES = ("cert.pem", "key.pem", "both.pem")
DEVICE_FDS_EACH = 4
"""How many fds each client costs the device."""


@dataclass(slots=True)
class Running:
    """A server with its device. The device may be replaced."""

    server: Server
    site: Site
    process: Process
    device: DeviceProcess
    kind: str
    """The kind of the server's key: rsa or ec."""

    def new_certificate(self) -> None:
        """Put another certificate, with a key of its own, where the server reads it."""
        write_certificate(self.site.folder, self.kind, "second")
        self.server.own(self.site, *CERTIFICATES)

    def report(self) -> dict[str, Any]:
        """The device's report, once nothing is in flight any more."""
        wait_until(lambda: self.device.stat()["in_flight"] == 0)
        return self.device.stat()

    def kill_device(self) -> None:
        """Kill the device, as `kill -9` does."""
        self.device.kill()

    def start_device(self) -> None:
        """Start a new device at the same address."""
        self.device = start_device(self.server, self.device.address)

    def device_fds(self) -> int:
        """How many fds the device holds for other things than its clients."""
        return fds(self.device.process.pid) - DEVICE_FDS_EACH * len(self.device.stat()["clients"])

    def server_fds(self) -> dict[int, int]:
        """How many fds each process of the server holds, by its pid."""
        return {pid: fds(pid) for pid in self.process.pids()}


@contextmanager
def running(server: Server, kind: str, provider: Path) -> Iterator[Running]:
    """A device, and the server on it as its operators start it. Ends both, and fails if the device then holds more
    than at its start."""
    folder = Path(tempfile.mkdtemp(prefix=f"simaccel-{server.name}-"))
    folder.chmod(0o755)
    site = Site(folder, free_port(), free_port())
    now: Running | None = None
    device = start_device(server)
    try:
        alone = fds(device.process.pid)
        module = folder / "simaccel.so"
        shutil.copy(provider, module)
        write_certificate(folder, kind, "first")
        server.write(site)
        with Process(target(server, site), environment(device.address, module), folder / "output") as process:
            now = Running(server, site, process, device, kind)
            try:
                yield now
            except BaseException as error:
                error.add_note(f"the server{process.how_it_ended() or ' runs'}{process.tail()}")
                raise
        wait_until(lambda: fds(now.device.process.pid) <= alone)
    finally:
        (now.device if now else device).close()
        shutil.rmtree(folder)


def start_device(server: Server, address: str | None = None) -> DeviceProcess:
    """A device that allows the server's users."""
    allowed = [word for user in server.users for word in ("--allow-user", user)]
    return DeviceProcess(address, *allowed, module=SERVE)


def target(server: Server, site: Site) -> Target:
    """The server as a target for the process that keeps it."""
    command = (sys.executable, "-m", "simaccel", "openssl", "--", *server.start(site))
    return Target(command, port=site.port, limit_s=WAIT_S)


def environment(address: str, module: Path) -> dict[str, str]:
    """The variables that a service would have, and those that name the provider and the device."""
    return {
        "PATH": PATH,
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "SIMACCEL_MODULE": str(module),
        "SIMACCEL_SOCKET": address,
        **patient_variables(),
    }


def write_certificate(folder: Path, kind: str, name: str) -> None:
    """A new key and its certificate: cert.pem, key.pem and both.pem. A server never sees half of a file."""
    made = Path(tempfile.mkdtemp(dir=folder))
    make_certificate(made, kind, name)
    for ending, file in zip(("crt", "key", "pem"), CERTIFICATES, strict=True):
        part = made / f"{name}.{ending}"
        part.chmod(0o600)
        part.replace(folder / file)
    made.rmdir()


def fds(pid: int) -> int:
    """How many fds a process has open; 0 if it has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except (FileNotFoundError, ProcessLookupError):
        return 0
