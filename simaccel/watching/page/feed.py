"""The feed of the page: the report of the device once a second, to all browsers that listen, and the last minutes.

There is one report a second, however many pages are open, and each report is made into text once. A slow browser gets
the latest report when it can take one, and misses the reports in between.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from simaccel.bridge.users import user_name

PERIOD_S = 1.0
KEPT = 300
"""Reports whose figures are kept: five minutes."""
MOST_PAGES = 64
MOST_CLIENTS = 100
"""How many clients a page shows: first those with most in flight, then those that have done most."""
PATIENCE_S = 30.0
"""A browser is dropped after it has taken nothing for this long."""

Report = dict[str, Any]
SHORT = ("by_op", "in_flight", "ring_full", "uptime_ns", "failed")
"""What is kept of a report, besides the times."""


class Feed:
    """Belongs to the loop of the page's server."""

    def __init__(self, read: Callable[[], Report]) -> None:
        """`read` gives the report of the device."""
        self._read = read
        self._history: deque[Report] = deque(maxlen=KEPT)
        self._latest = b""
        self._serial = 0
        self._news = asyncio.Condition()
        self._ended = False
        self.pages = 0
        """Browsers that listen."""

    async def run(self) -> None:
        """Reads the report once a second, until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD_S)

    async def look(self) -> None:
        """Read the report now, and send it to all who listen. Called once a second, and after an action."""
        report = self._read()
        clients = sorted(report["clients"], key=lambda client: (-client["in_flight"], -client["completed"]))
        report["clients"] = clients[:MOST_CLIENTS]
        for client in report["clients"]:
            client["user"], client["name"] = name_of_user(client["uid"]), process_name(client["pid"])
        for refused in report["refused_users"]:
            refused["user"] = name_of_user(refused["uid"])
        report["seed"] = str(report["seed"])  # JavaScript would round it
        report["time_ms"] = int(time.time() * 1_000)
        self._history.append(_shortened(report))
        async with self._news:
            self._latest = _event("report", report)
            self._serial += 1
            self._news.notify_all()

    async def end(self) -> None:
        """End all streams, because the device ends."""
        async with self._news:
            self._ended = True
            self._news.notify_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI app: a stream of server-sent events."""
        if self.pages >= MOST_PAGES:
            await PlainTextResponse(f"{MOST_PAGES} pages are open: close one\n", 503)(scope, receive, send)
            return
        self.pages += 1
        gone = asyncio.ensure_future(_until_gone(receive))
        stream = asyncio.ensure_future(self._stream(send))
        try:
            await asyncio.wait((gone, stream), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.pages -= 1
            for task in (gone, stream):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError, TimeoutError):
                    await task

    async def _stream(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send(send, b"retry: 1000\n\n" + _event("history", list(self._history)))
        seen = -1
        while not self._ended:
            if seen != self._serial:
                seen = self._serial
                await _send(send, self._latest)
            async with self._news:
                await self._news.wait_for(lambda seen=seen: self._ended or self._serial != seen)  # type: ignore[misc]
        await send({"type": "http.response.body", "body": b""})


async def _send(send: Send, data: bytes) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await send({"type": "http.response.body", "body": data, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _shortened(report: Report) -> Report:
    """What the charts of the last minutes need."""
    sources = [report["short"], *report["workers"]]
    return {
        "time_ms": report["time_ms"],
        **{name: report[name] for name in SHORT},
        "times": [[source["queue"]["p99_ns"], source["service"]["p99_ns"]] for source in sources],
        "busy_ns": [worker["busy_ns"] for worker in report["workers"]],
        "wake": report["wake"] and {"buckets": report["wake"]["buckets"]},
    }


@lru_cache(maxsize=1_024)
def name_of_user(uid: int) -> str:
    """As `user_name` says, without a look into the files of users each second."""
    return user_name(uid)


@lru_cache(maxsize=1_024)
def process_name(pid: int) -> str:
    """What the process is called; "" if it has gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""
