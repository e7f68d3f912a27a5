"""The options of `simaccel serve` by which others watch the device, and what they start."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from sim import UsageError
from simaccel.bridge import Server
from simaccel.watching.addresses import listening, parse_address

Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Serve metrics for Prometheus at http://ADDRESS/metrics, such as 127.0.0.1:9464."
    ),
]

EXTRAS = {"--metrics": ("serve", ("prometheus_client",))}
"""Option -> the extra that it needs, and the modules of that."""


class Watching:
    """What was asked for, with the sockets that it will be served at."""

    def __init__(self, metrics: str | None) -> None:
        """Raises UsageError for an address that can't be listened at, and for an extra that is not installed."""
        self._opened = ExitStack()
        self._metrics: socket.socket | None = None
        try:
            if metrics is not None:
                self._metrics = self._listen("--metrics", metrics)
        except BaseException:
            self.close()
            raise

    def _listen(self, option: str, text: str) -> socket.socket:
        extra, modules = EXTRAS[option]
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            raise UsageError(f"{option}: it needs {' and '.join(missing)}; pip install 'simaccel[{extra}]'")
        listener = listening(option, parse_address(option, text))
        self._opened.callback(listener.close)
        return listener

    @property
    def wanted(self) -> bool:
        """Whether anybody will watch."""
        return self._metrics is not None

    @contextmanager
    def of(self, server: Server, say: Callable[[str], Any]) -> Iterator[None]:
        """Inside, the device is watched. `say` prints where."""
        with ExitStack() as running:
            if self._metrics is not None:
                from simaccel.watching.metrics_server import MetricsServer

                metrics = running.enter_context(MetricsServer(self._metrics, server.report))
                say(f"metrics at http://{metrics.address}/metrics")
            yield

    def close(self) -> None:
        """Stop listening. Calling again does nothing."""
        self._opened.close()
