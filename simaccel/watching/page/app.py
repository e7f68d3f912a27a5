"""The page as an ASGI app: the files, the feed, and the actions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sim import SimError, parse_faults
from simaccel.bridge import Server, inject
from simaccel.watching.addresses import Address
from simaccel.watching.page.feed import Feed
from simaccel.watching.page.guard import PageGuard

FILES = Path(__file__).with_name("static")
MOST_BYTES = 10_000
"""The most bytes that the body of an action may have."""


def page_app(server: Server, address: Address, token: str, feed: Feed) -> PageGuard:
    """The app. It runs in a loop of its own, in another thread than the device."""
    actions = _actions(server)

    async def index(request: Request) -> Response:
        return FileResponse(FILES / "page.html")

    async def act(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return JSONResponse({"error": f"an action has at most {MOST_BYTES:,} bytes"}, 413)
        action, text = _parsed(body, request)
        if action not in actions:
            return JSONResponse({"error": f"no such action: use one of {', '.join(actions)}"}, 400)
        try:
            await asyncio.to_thread(actions[action], text)
        except SimError as error:  # the text of a fault was wrong: whoever typed it gets one line
            return JSONResponse({"error": " ".join(str(error).splitlines())}, 400)
        if action != "check":
            await feed.look()
        return JSONResponse({"done": action})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        running = asyncio.ensure_future(feed.run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    routes = [
        Route("/", index),
        Route("/act", act, methods=["POST"]),
        Route("/events", feed),
        Mount("/static", StaticFiles(directory=FILES)),
    ]
    return PageGuard(Starlette(routes=routes, lifespan=lifespan), address, token)


def _actions(server: Server) -> dict[str, Callable[[str], Any]]:
    """What the switches of the page do. Each is called in a thread of its own, and may raise SimError."""

    def switch_on(text: str) -> None:
        parse_faults(text)
        inject(server.address, text)

    return {
        "check": parse_faults,
        "inject": switch_on,
        "clear": lambda text: inject(server.address, ""),
        "release": lambda text: server.release(),
        "pause": lambda text: server.pause(),
        "go-on": lambda text: server.go_on(),
        "reset": lambda text: server.reset(),
    }


def _parsed(body: bytes, request: Request) -> tuple[str, str]:
    """The action and its text. If the body is anything else, the action is one that does not exist."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "text/plain":
        return "", ""
    try:
        action, _, text = body.decode().partition("\n")
    except UnicodeDecodeError:
        return "", ""
    return action, text
