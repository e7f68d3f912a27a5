"""The page over HTTP: uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn

from simaccel.bridge import Server
from simaccel.watching.addresses import Address
from simaccel.watching.page.app import page_app
from simaccel.watching.page.feed import Feed

CONNECTIONS = 512
"""How many connections may be open at once, from browsers and anything else. One more is refused."""


class PageServer:
    """Serves the page of a device until it is left. A context manager."""

    def __init__(self, listener: socket.socket, server: Server, token: str) -> None:
        """`listener` listens already; it is closed when the page is left."""
        host, port = listener.getsockname()[:2]
        address = Address(host, port)
        self.url = f"http://{address}/?token={token}"
        self._listener = listener
        self._feed = Feed(server.report)
        config = uvicorn.Config(
            page_app(server, address, token, self._feed),
            log_config=None,
            log_level="error",  # a warning for each malformed request would let anybody fill the device's log
            access_log=False,
            lifespan="on",
            loop="asyncio",
            http="h11",
            ws="none",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=2,
            server_header=False,
            date_header=False,
        )
        self._uvicorn = _Uvicorn(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="simaccel-page", daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._uvicorn.serve([self._listener]))
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uvicorn.should_exit = True  # for a loop that does not run yet
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._feed.end(), self._loop)
            self._loop.call_soon_threadsafe(self._uvicorn.ended.set)
        self._thread.join()


class _Uvicorn(uvicorn.Server):
    """A server without signal handlers, because signals are for the device, and without a clock of its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()
        """Set in the loop when the server is to end."""

    async def main_loop(self) -> None:
        """Waits for the end. The server's own loop looks ten times a second, and takes the GIL from the device."""
        if not await self.on_tick(0):
            await self.ended.wait()

    def install_signal_handlers(self) -> None:
        """Install none."""
