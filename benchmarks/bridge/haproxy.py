"""HAProxy, one thread, TLS 1.3 with RSA-2048, under 32 connections at a time.

The load comes from tls_client.c, which speaks TLS by itself. A client with libssl takes 420 us for its side of a
handshake; on a machine with two cores, the device would lose that time. This client takes 105 us.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.bridge.processes import ROOT, compile_c, cpu_s

CONNECTIONS = 32
SECONDS = 2

_CONFIG = """\
global
    nbthread 1
    {options}
defaults
    mode http
    timeout client 20s
    timeout server 20s
    timeout connect 20s
frontend tls
    bind 127.0.0.1:{port} ssl crt {pem}
    http-request return status 200 content-type text/plain string "served"
"""

_OPTIONS = {
    "software": "",
    "without async": "ssl-propquery ?simaccel.offload=yes",
    "async": "ssl-mode-async\n    ssl-propquery ?simaccel.offload=yes",
}

WAYS = tuple(_OPTIONS)


class Served(NamedTuple):
    """Handshakes per second, each with a request, and the processor time that HAProxy takes for one."""

    rate: float
    cpu_us: float


class Bench:
    """The load client, a certificate, and the folder with the files."""

    def __init__(self, folder: Path, accelerated: Mapping[str, str], software: Mapping[str, str]) -> None:
        self._folder = folder
        self._environments = {way: software if way == "software" else accelerated for way in WAYS}
        here = ROOT / "benchmarks" / "bridge"
        self._client = compile_c(here / "tls_client.c", folder / "tls_client", str(here / "tls13.c"), "-lcrypto")
        self._pem = folder / "server.pem"
        command = ["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=localhost"]
        made = subprocess.run([*command, "-keyout", "-"], env=software, capture_output=True, check=True)
        self._pem.write_bytes(made.stdout)

    def serve(self, way: str) -> Served:
        """Starts HAProxy in this way, puts load on it, and stops it."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = self._folder / "haproxy.cfg"
        config.write_text(_CONFIG.format(options=_OPTIONS[way], port=port, pem=self._pem))
        command = ["haproxy", "-db", "-q", "-f", str(config)]
        environment = {**self._environments[way], "PATH": os.environ["PATH"] + ":/usr/sbin"}
        with subprocess.Popen(command, env=environment, executable="/usr/sbin/haproxy") as process:
            while process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port), 10).close()
                    break
                except ConnectionRefusedError:
                    continue
            self._load(port, 0.2)  # the device has the key, and HAProxy its buffers
            before_s = cpu_s(process.pid)
            served, seconds = self._load(port, SECONDS)
            after_s = cpu_s(process.pid)
            process.terminate()
        return Served(served / seconds, (after_s - before_s) / served * 1e6)

    def _load(self, port: int, seconds: float) -> tuple[int, float]:
        command = [str(self._client), str(port), str(CONNECTIONS), str(seconds)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        served, failed, took_s = done.stdout.split()
        if int(failed):
            raise RuntimeError(f"{failed} of {served} handshakes failed")
        return int(served), float(took_s)
