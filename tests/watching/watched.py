"""A device process that is watched, and what it says of itself."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from simaccel.bridge import connect
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.test_bridge_connect import call
from tests.limits import WAIT_S

TOKEN = "a-token-of-tests"
"""What tests give as --page-token."""


class Watched(DeviceProcess):
    """A device process with `--metrics` or `--page`; it says where they are."""

    def __init__(self, *arguments: str, address: str | None = None, errors: Path | None = None) -> None:
        super().__init__(address, *arguments, module=SERVE, errors=errors)
        assert self.process.stdout is not None
        self.urls: dict[str, str] = {}
        """By "metrics" and "page"."""
        for option in ("metrics", "page"):
            if f"--{option}" in arguments:
                line = self.process.stdout.readline()
                what, at, url = line.split()
                assert (what, at) == (option, "at"), line
                self.urls[option] = url

    def work(self, count: int = 40, op: str = "sha256") -> None:
        """Some operations of one client, which then goes."""
        with connect(self.address) as accel:
            for serial in range(count):
                call(accel, op, b"%d" % serial)


def get(url: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of an answer."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = HTTPConnection(host, timeout=WAIT_S)
    try:
        connection.request(method, f"/{path}", body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def act(device: Watched, action: str) -> int:
    """What a switch of the page sends; the status of the answer."""
    url = device.urls["page"].replace("/?", "/act?")
    return get(url, "POST", action, **{"content-type": "text/plain", "x-simaccel-token": TOKEN})[0]
