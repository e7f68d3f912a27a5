"""`/metrics` over HTTP, by the server of prometheus-client: a thread for each scrape."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from simaccel.watching.metrics import Report, registry_of

PATIENCE_S = 10.0
"""A scraper is dropped after it has sent nothing, or read nothing, for this long."""


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE_S

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing: a line for each scrape would only hide other lines."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing if a scraper goes away in the middle of an answer."""


class MetricsServer:
    """Serves the metrics of a device until it is closed. A context manager; its thread starts with it."""

    def __init__(self, listener: socket.socket, read: Callable[[], Report]) -> None:
        """`listener` listens already; `close` closes it. `read` returns the report, and is called in any thread."""
        host, port = listener.getsockname()[:2]
        self._server = _Server((host, port), _Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        self._server.server_name, self._server.server_port = host, port
        self._server.setup_environ()
        self._server.set_app(_only_metrics(make_wsgi_app(registry_of(read))))
        self._ended = False
        self._thread = threading.Thread(target=self._serve, name="simaccel-metrics", daemon=True)
        self.address = f"{host}:{port}"

    def _serve(self) -> None:
        """Waits for scrapers alone. `serve_forever` looks at a clock as well, and takes the GIL from the device."""
        while not self._ended:
            self._server.handle_request()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        with suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join()
        self._server.server_close()


def _only_metrics(app: Callable[..., Any]) -> Callable[..., Any]:
    """Answers at /metrics alone, so that a scraper with a wrong path gets an error."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ.get("PATH_INFO") in ("/metrics", "/metrics/"):
            return app(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"the metrics are at /metrics\n"]

    return serve
