"""Who may ask the page for anything. It refuses other sites, other names of this machine, and requests without the
token.

Every site that is open in the user's browser can send requests to 127.0.0.1. Four things keep such a site out:

- The token, which is in the URL that the device prints. A request for data, or for an action, must have it.
- The header Host must be an address of this device. A site that lets its own name resolve to 127.0.0.1 has another.
- The headers Origin and Sec-Fetch-Site, which a browser sets, must not be those of another site.
- The Content-Security-Policy says what the page may load and who may frame it, so nothing leaves this machine.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simaccel.watching.addresses import Address

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TOKEN_HEADER = "x-simaccel-token"
OPEN_PATHS = ("/static/",)
"""The paths that need no token: their files are the same for everybody."""


class PageGuard:
    """An ASGI app around another one. It lets allowed requests through, and answers all others with one line."""

    def __init__(self, app: ASGIApp, address: Address, token: str) -> None:
        self._app = app
        self._address = address
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        else:
            status, why = refusal
            await PlainTextResponse(f"{why}\n", status)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return 421, "this is not the address of this device: open the URL that it has printed"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "another site may not ask this device for anything"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _is_navigation(scope, headers):
            return 403, "another site may not ask this device for anything"
        if not scope["path"].startswith(OPEN_PATHS) and not self._has_token(scope, headers):
            return 403, "the token is missing or wrong: open the URL that the device has printed when it started"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name, port = urlsplit(f"//{host}").hostname, urlsplit(f"//{host}").port
        except ValueError:
            return False
        if name is None or (port or 80) != self._address.port:
            return False
        if name in ("localhost", self._address.host):
            return True
        try:
            literal = ipaddress.ip_address(name)
        except ValueError:
            return False
        # No site can have an IP address as its name, so a Host that is any IP address is fine.
        return literal.is_loopback or not self._address.is_loopback

    def _has_token(self, scope: Scope, headers: Mapping[str, str]) -> bool:
        given = headers.get(TOKEN_HEADER)
        if given is None and scope["method"] == "GET":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return hmac.compare_digest((given or "").encode(), self._token)


def _is_navigation(scope: Any, headers: Mapping[str, str]) -> bool:
    """Whether the user follows a link to the page, in a chat for example; that shows the page and does nothing."""
    return scope["method"] == "GET" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
