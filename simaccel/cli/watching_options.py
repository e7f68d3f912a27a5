"""The options of `simaccel serve` with which others watch the device, and the servers that these options start."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim import UsageError
from simaccel.bridge import Server
from simaccel.cli.exits import complain
from simaccel.cli.output_files import check_writable
from simaccel.cli.shell_quoting import quoted
from simaccel.extras import it_needs
from simaccel.watching.addresses import listening, parse_address

if TYPE_CHECKING:
    from simaccel.bridge.device.request_trace import RequestTrace

Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Serve metrics for Prometheus at http://ADDRESS/metrics, such as 127.0.0.1:9464."
    ),
]

Page = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Serve a live page at http://ADDRESS/, such as 127.0.0.1:8080, at a URL with a token."
    ),
]
PageToken = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        help="The token of the page's URL, instead of a random one. An ADDRESS that is not loopback needs it.",
    ),
]

TraceFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write the way of each request to FILE.pftrace, for Perfetto and explain."),
]

LEAST_TOKEN = 8
PERFETTO = ".pftrace"
NEEDED = {"--metrics": ("prometheus_client",), "--page": ("starlette", "uvicorn")}
"""For each option: the libraries that it needs. Those of one option are of one extra."""


class Watching:
    """The ways to watch that the user asked for, with the sockets at which they are served."""

    def __init__(self, metrics: str | None, page: str | None = None, token: str | None = None) -> None:
        """Raises UsageError if we can't listen at an address, and if an extra is not installed."""
        self._opened = ExitStack()
        self._metrics: socket.socket | None = None
        self._page: socket.socket | None = None
        self._token = _checked_token(page, token)
        try:
            if page is not None:
                self._page = self._listen("--page", page)
            if metrics is not None:
                self._metrics = self._listen("--metrics", metrics)
        except BaseException:
            self.close()
            raise

    def _listen(self, option: str, text: str) -> socket.socket:
        missing = [library for library in NEEDED[option] if find_spec(library) is None]
        if missing:
            raise UsageError(f"{option}: {it_needs(*missing)}")
        listener = listening(option, parse_address(option, text))
        self._opened.callback(listener.close)
        return listener

    @property
    def wanted(self) -> bool:
        """Whether the user asked for any way to watch."""
        return self._metrics is not None or self._page is not None

    @contextmanager
    def of(self, server: Server, say: Callable[[str], Any]) -> Iterator[None]:
        """Inside the `with`, the device can be watched. `say(line)` prints where."""
        with ExitStack() as running:
            if self._metrics is not None:
                from simaccel.watching.metrics_server import MetricsServer

                metrics = running.enter_context(MetricsServer(self._metrics, server.report))
                say(f"metrics at http://{metrics.address}/metrics")
            if self._page is not None:
                from simaccel.watching.page.server import PageServer

                page = running.enter_context(PageServer(self._page, server, self._token))
                say(f"page at {page.url}")
            yield

    def close(self) -> None:
        """Stop listening. Calling again does nothing."""
        self._opened.close()


def _checked_token(page: str | None, token: str | None) -> str:
    """The token of the page. Raises UsageError for one that is too short, has no use, or is missing."""
    if page is None:
        if token is not None:
            raise UsageError("--page-token without --page: it is of no use; give --page ADDRESS, or leave it out")
        return ""
    address = parse_address("--page", page)
    if token is None:
        if not address.is_loopback:
            raise UsageError(
                f"--page {address}: others can reach this address; give --page-token TOKEN as well, or use 127.0.0.1"
            )
        return secrets.token_urlsafe(16)
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"--page-token: use {LEAST_TOKEN} or more letters, digits, - and _")
    return token


def request_trace(file: str, tell: Callable[[str], object] = complain) -> RequestTrace:
    """The trace of a device, in that file. Raises UsageError if the file has another ending, or can't be written."""
    if not file.endswith(PERFETTO):
        raise UsageError(
            f"--trace {quoted(file)}: a device writes for Perfetto alone; use a name that ends in {PERFETTO}"
        )
    check_writable("--trace", file)
    from simaccel.bridge.device.request_trace import RequestTrace  # which needs numpy

    def failed(error: OSError) -> None:
        tell(f"{file}: {error.strerror or error}; the trace ends there, and the device goes on")

    return RequestTrace(file, failed)
