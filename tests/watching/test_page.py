"""The live page, in a real Chromium: one browser and one device for all tests."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from sim import Request
from simaccel.bridge import connect
from tests.bridge.test_bridge_connect import call
from tests.bridge.tls import free_port
from tests.effort import pairs
from tests.limits import WAIT_S
from tests.watching.browser import Browser
from tests.watching.watched import TOKEN, Watched, act

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("page")


@pytest.fixture(scope="module")
def device(fork_server: None) -> Iterator[Watched]:
    with Watched("--latency", "fixed:300us", "--page", "127.0.0.1:0", "--page-token", TOKEN) as found:
        yield found


@pytest.fixture(autouse=True)
def calm(device: Watched, browser: Browser) -> Iterator[None]:
    """Each test leaves a device without faults, and a browser that has not complained."""
    browser.open(device.urls["page"])
    browser.wait("the first report", lambda: browser.text("state") == "live")
    yield
    browser.open("about:blank")
    for action in ("clear", "go-on"):
        assert act(device, action) == 200
    # A device that goes away, and what it refuses, are what tests are about.
    assert [line for line in browser.complaints() if "net::ERR" not in line and "status of 40" not in line] == []


@contextmanager
def client(device: Watched, depth: int, jobs: int) -> Iterator[subprocess.Popen[bytes]]:
    """A program that keeps the device busy."""
    words = [sys.executable, "-m", "tests.watching.load", device.address, str(depth), str(jobs)]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait(WAIT_S)


def rate(browser: Browser) -> float:
    return float(browser.text("rate").replace(",", "").replace("K", "e3"))


def total(browser: Browser) -> str:
    """Operations since the device began."""
    return str(browser.run("return document.getElementById('rate').dataset.total"))


def test_values_move_under_load_and_a_small_ring_is_named_as_the_cause(device: Watched, browser: Browser) -> None:
    assert browser.text("rate") in ("-", "0")
    with client(device, 4, 32) as small:
        browser.wait("a rate", lambda: rate(browser) > 0)
        text = browser.wait("the advice", lambda: f"({small.pid})" in browser.text("advice") and browser.text("advice"))
        assert re.match(rf"The ring of python\S* \({small.pid}\) has 4 entries, and was full [\d,]+ times", text)
        assert "entries=64" in text
        (row,) = [row for row in browser.table("clients") if f"({small.pid})" in row[0]]
        assert row[2].endswith("of 4")
        # A program that finds completions counts how long they had waited.
        waited = r"[\d.]+ (ns|us|ms|s)"
        browser.wait("wake times", lambda: all(re.fullmatch(waited, cell) for cell in browser.table("clients")[0][6:]))
        browser.wait("a second with wakes", lambda: re.fullmatch(waited, browser.text("wake")))
        before = row[4]
        browser.wait("more to be completed", lambda: browser.table("clients")[0][4] not in ("", before))
        assert browser.run("return document.querySelectorAll('.chart canvas').length") == 5


def test_a_client_that_is_killed_goes_away(device: Watched, browser: Browser) -> None:
    with client(device, 64, 4) as victim:
        browser.wait("the client", lambda: f"({victim.pid})" in browser.table("clients")[0][0])
        victim.kill()
        victim.wait(WAIT_S)
        browser.wait("that it goes", lambda: browser.table("clients") == [["no client is connected"]])
        assert browser.text("clients-count") == "0"


def test_what_it_shows_is_what_stat_says(device: Watched, browser: Browser) -> None:
    device.work(25, "sha384")
    report = device.stat()
    done = sum(report["by_op"].values())
    browser.wait("the count", lambda: total(browser) == str(done))
    assert browser.text("failed").replace(",", "") == str(report["failed"])
    assert browser.text("address") == report["address"]
    assert browser.text("about").endswith(f", seed {report['seed']}")
    assert browser.text("in-flight") == "0"
    worker = report["workers"][0]
    shown = browser.table("workers")[1]
    assert [shown[2], shown[5]] == [duration(worker["queue"]["p50_ns"]), duration(worker["service"]["p50_ns"])]


def test_wake_times_are_those_of_stat(device: Watched, browser: Browser) -> None:
    with connect(device.address) as accel:
        call(accel, "echo", b"on")
        (told,) = device.stat()["clients"]
        wanted = [duration(told["wake"]["p50_ns"]), duration(told["wake"]["p99_ns"])]
        browser.wait("the client", lambda: [row[6:] for row in browser.table("clients")] == [wanted])


def duration(time_ns: float) -> str:
    """As the page writes it. JavaScript rounds a half up, where Python rounds it to the even digit."""
    for unit in ("ns", "us", "ms", "s"):
        if time_ns < 999.5 or unit == "s":
            break
        time_ns /= 1_000
    digits = 0 if time_ns >= 99.95 or unit == "ns" else 1 if time_ns >= 9.995 else 2
    rounded = Decimal(time_ns).quantize(Decimal(10) ** -digits, ROUND_HALF_UP)
    return f"{rounded} {unit}" if time_ns else "0"


def test_a_fault_is_checked_as_it_is_typed(browser: Browser) -> None:
    browser.type("fault", "sulk:every=3")
    browser.wait("the error", lambda: "no fault 'sulk'" in browser.text("fault-told"))
    assert browser.run("return document.getElementById('inject').disabled")
    browser.type("fault", "fail:every=2")
    browser.wait("that it is right", lambda: browser.text("fault-told") == "this can be switched on")


def test_a_fault_switched_on_shows_in_the_counters_and_goes_off_again(device: Watched, browser: Browser) -> None:
    browser.type("fault", "fail:op=echo,every=2")
    browser.click("inject")
    browser.wait("the fault", lambda: "fail:op=echo,every=2" in browser.text("injected"))
    before = device.stat()["faults"].get("fail", 0)
    device.work(10, "echo")
    browser.wait("the counters", lambda: f"fail {before + 5}" in browser.text("met"))
    browser.click("clear")
    browser.wait("that it goes off", lambda: browser.text("injected") == "")
    device.work(10, "echo")
    assert device.stat()["faults"]["fail"] == before + 5


def test_what_is_held_completes_when_it_is_released(device: Watched, browser: Browser) -> None:
    browser.click("hold")
    browser.wait("the fault", lambda: browser.text("injected") == "hold")
    with client(device, 16, 3):
        browser.wait("that three are held", lambda: browser.text("held") == "3 held")
        before = device.stat()["completed"]
        browser.click("release")
        browser.wait("that they complete", lambda: device.stat()["completed"] >= before + 3)


def test_a_paused_device_takes_nothing_until_it_goes_on(device: Watched, browser: Browser) -> None:
    with connect(device.address) as accel:
        browser.click("pause")
        browser.wait("the pause", lambda: browser.text("state") == "paused")
        assert "what clients submit waits on their rings" in browser.text("advice")
        before = device.stat()
        assert before["paused"]
        request = Request("echo", b"on")
        accel.prepare(request)
        assert accel.submit(request)
        assert device.stat()["submitted"] == before["submitted"]
        browser.click("pause")
        browser.wait("that it goes on", lambda: browser.text("state") == "live")
        browser.wait("the result", lambda: request.result == b"on")


def test_a_reset_fails_what_is_in_flight(device: Watched, browser: Browser) -> None:
    browser.click("hold")
    browser.wait("the fault", lambda: browser.text("injected") == "hold")
    failed = device.stat()["failed"]
    with client(device, 16, 3):
        browser.wait("that three are held", lambda: browser.text("held") == "3 held")
        browser.click("reset")
        browser.wait("that they fail", lambda: device.stat()["failed"] >= failed + 3)


@pytest.mark.parametrize(("width", "dark"), pairs([400, 1_600], [False, True]))
def test_it_fits_and_is_dark_or_light_as_its_user_prefers(
    device: Watched, browser: Browser, width: int, dark: bool
) -> None:
    browser.open(device.urls["page"], width, dark=dark)
    browser.wait("the charts", lambda: browser.run("return document.querySelectorAll('.chart canvas').length") == 5)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    back = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back))) < 3 * 128) is dark
    narrow = browser.run("return Math.min(...[...document.querySelectorAll('.chart')].map(box => box.clientWidth))")
    assert narrow > 300
    browser.click("theme")
    assert browser.run("return document.documentElement.dataset.theme") == ("light" if dark else "dark")


def test_nothing_is_asked_of_another_machine(device: Watched, browser: Browser) -> None:
    origins = browser.run("return performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)")
    assert set(origins) == {device.urls["page"].partition("/?")[0]}
    for file in (ROOT / "simaccel" / "watching" / "page" / "static").glob("page.*"):
        assert "//" not in file.read_text().replace("// ", ""), file.name


def test_text_of_others_is_no_markup(device: Watched, browser: Browser) -> None:
    """A program may call itself anything."""
    script = (
        "import sys, ctypes; sys.argv[1:] = [sys.argv[1], '4', '1'];"
        "ctypes.CDLL(None).prctl(15, b'<img src=x>', 0, 0, 0);"
        "from tests.watching.load import main; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, device.address], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as process:
        try:
            browser.wait("the client", lambda: browser.table("clients")[0][0] == f"<img src=x> ({process.pid})")
            assert browser.run("return document.querySelectorAll('main img').length") == 0
        finally:
            process.kill()


def test_the_page_survives_a_restart_of_the_device(fork_server: None, browser: Browser) -> None:
    at = f"127.0.0.1:{free_port()}"
    with Watched("--page", at, "--page-token", TOKEN) as first:
        first.work(30, "sha256")
        browser.open(first.urls["page"])
        browser.wait("the count", lambda: total(browser) == "30")
        address = first.address
        first.kill()
        browser.wait("that it is gone", lambda: browser.text("state") == "the device does not answer")
    with Watched("--page", at, "--page-token", TOKEN, address=address) as second:
        second.work(7, "sha256")
        browser.wait("the new count", lambda: total(browser) == "7")
        assert browser.text("state") == "live"
    with Watched("--page", at, "--page-token", "another-token", address=address):
        browser.wait("that it says why", lambda: "the token is missing or wrong" in browser.text("state"))
