"""Who may ask the page for what, and what many or slow browsers do: nothing to the device."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from simaccel.watching.page.feed import MOST_PAGES
from tests.bridge.device import fresh_address
from tests.cli.cli import Cli
from tests.limits import WAIT_S
from tests.watching.watched import TOKEN, Watched, get


@pytest.fixture(scope="module")
def device(fork_server: None) -> Iterator[Watched]:
    with Watched("--page", "127.0.0.1:0", "--page-token", TOKEN) as found:
        yield found


def base(device: Watched) -> str:
    return device.urls["page"].partition("/?")[0]


def post(device: Watched, body: str, **headers: str) -> tuple[int, Any]:
    given = {"content-type": "text/plain", "x-simaccel-token": TOKEN, **headers}
    status, _, answer = get(f"{base(device)}/act", "POST", body, **given)
    return status, json.loads(answer) if answer.startswith(b"{") else answer.decode()


def stream(device: Watched) -> socket.socket:
    """A browser that has asked for the events."""
    host, port = base(device).removeprefix("http://").split(":")
    found = socket.create_connection((host, int(port)), WAIT_S)
    found.sendall(f"GET /events?token={TOKEN} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return found


def test_the_page_says_what_it_may_load_and_who_may_frame_it(device: Watched) -> None:
    status, headers, body = get(device.urls["page"])
    assert status == 200
    assert b"<title>simaccel device</title>" in body
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/events", "/events?token=a-token-of-test"])
def test_without_the_token_there_is_nothing(device: Watched, path: str) -> None:
    status, headers, body = get(base(device) + path)
    assert (status, body.count(b"\n")) == (403, 1)
    assert b"the token is missing or wrong" in body
    assert "content-security-policy" in headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1",
        "127.0.0.1:1",
        "",
        "[::1",
        "a:b:c",
        "127.0.0.1.evil.example:{port}",
    ],
)
def test_a_hostile_host_header_gets_one_line(device: Watched, host: str) -> None:
    """A site whose own name leads to this machine (DNS rebinding) sends its own name."""
    port = base(device).rpartition(":")[2]
    status, _, body = get(device.urls["page"], host=host.replace("{port}", port))
    assert (status, body) in (
        (421, b"this is not the address of this device: open the URL that it has printed\n"),
        (400, b"Invalid HTTP request received."),
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_may_do_nothing_even_with_the_token(device: Watched, headers: dict[str, str]) -> None:
    status, answer = post(device, "inject\nfail:every=1", **headers)
    assert (status, answer) == (403, "another site may not ask this device for anything\n")
    assert device.stat()["injected"] == []
    status, _, _ = get(f"{base(device)}/events?token={TOKEN}", **headers)
    assert status == 403


def test_a_link_to_the_page_may_stand_on_another_site(device: Watched) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert get(device.urls["page"], **headers)[0] == 200


def test_an_action_needs_the_token_in_a_header(device: Watched) -> None:
    """A form of another site can send a body and a URL, and no header."""
    status, _, _ = get(f"{base(device)}/act?token={TOKEN}", "POST", "inject\nfail", **{"content-type": "text/plain"})
    assert status == 403
    assert device.stat()["injected"] == []


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("inject\nsulk", 400, "no fault 'sulk'"),
        ("inject\nlose:p=2", 400, "use a number from 0 to 1"),
        ("check\ncorrupt:bytes=x", 400, ""),
        ("explode", 400, "no such action: use one of check, inject, clear"),
        ("", 400, "no such action"),
        ("inject\n" + "x" * 20_000, 413, "an action has at most 10,000 bytes"),
    ],
)
def test_an_action_that_is_wrong_gets_one_line_and_changes_nothing(
    device: Watched, body: str, status: int, error: str
) -> None:
    given, answer = post(device, body)
    assert (given, list(answer)) == (status, ["error"])
    assert error in answer["error"]
    assert "\n" not in answer["error"]
    assert device.stat()["injected"] == []
    device.work(1)


def test_no_file_outside_of_the_page_can_be_had(device: Watched) -> None:
    assert get(f"{base(device)}/static/vendor/uPlot-LICENSE.txt")[0] == 200
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/"):
        assert get(base(device) + path)[0] == 404


def test_fifty_pages_at_once_and_a_limit(device: Watched) -> None:
    with ExitStack() as opened:
        streams = [opened.enter_context(stream(device)) for _ in range(50)]
        for one in streams:
            received = b""
            while b"event: report" not in received:
                received += one.recv(65_536)
            assert received.startswith(b"HTTP/1.1 200 OK")
        device.work(20)
        more = [opened.enter_context(stream(device)) for _ in range(MOST_PAGES - 50 + 1)]
        answers = sorted(one.recv(12) for one in more)
        assert answers == [b"HTTP/1.1 200"] * (MOST_PAGES - 50) + [b"HTTP/1.1 503"]
    device.work(1)


def test_a_browser_that_reads_nothing_keeps_nobody_waiting(device: Watched) -> None:
    with stream(device), stream(device) as other:
        seen = b""
        while seen.count(b"event: report") < 3:
            seen += other.recv(65_536)
        device.work(50)
        assert get(device.urls["page"])[0] == 200


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--page", "0.0.0.0:0"), "others can reach this address; give --page-token TOKEN as well, or use 127.0.0.1"),
        (("--page", "[::]:0"), "others can reach this address"),
        (("--page", "192.0.2.1:80"), "others can reach this address"),
        (("--page", "127.0.0.1:0", "--page-token", "short"), "use 8 or more letters, digits, - and _"),
        (("--page", "127.0.0.1:0", "--page-token", "with a space"), "use 8 or more letters, digits, - and _"),
        (("--page-token", "long-enough"), "--page-token without --page"),
        (("--page", "nowhere"), "use HOST:PORT"),
    ],
)
def test_what_can_not_be_served_is_one_line(cli: Cli, words: tuple[str, ...], why: str) -> None:
    told = cli("serve", "--socket", fresh_address(), *words)
    assert (told.code, told.out, len(told.errors)) == (2, b"", 1)
    assert why in told.errors[0]


def test_malformed_requests_are_answered_and_not_logged(fork_server: None, tmp_path: Path) -> None:
    """Anybody on the machine could fill the device's log."""
    errors = tmp_path / "errors"
    with Watched("--page", "127.0.0.1:0", "--page-token", TOKEN, errors=errors) as device:
        host, port = base(device).removeprefix("http://").split(":")
        for _ in range(3):
            with socket.create_connection((host, int(port)), WAIT_S) as peer:
                peer.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
                assert peer.recv(12) == b"HTTP/1.1 400"
        assert get(device.urls["page"])[0] == 200
    assert errors.read_text() == ""


def test_a_port_that_is_taken_is_one_line(cli: Cli, device: Watched) -> None:
    port = base(device).rpartition(":")[2]
    told = cli("serve", "--socket", fresh_address(), "--page", f"127.0.0.1:{port}")
    assert (told.code, len(told.errors)) == (2, 1)
    assert "Address already in use; give an address of this machine with a free port" in told.errors[0]


def test_a_random_token_is_another_one_each_time(fork_server: None) -> None:
    with Watched("--page", "127.0.0.1:0") as one, Watched("--page", "127.0.0.1:0") as other:
        tokens = {device.urls["page"].partition("token=")[2] for device in (one, other)}
        assert len(tokens) == 2
        assert min(map(len, tokens)) >= 20
        assert get(one.urls["page"])[0] == 200


def test_it_ends_with_the_device_also_while_browsers_listen(fork_server: None) -> None:
    device = Watched("--page", "127.0.0.1:0", "--page-token", TOKEN)
    with stream(device) as listening:
        assert listening.recv(12) == b"HTTP/1.1 200"
        assert device.close() == 0
