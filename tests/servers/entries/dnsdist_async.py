"""dnsdist 2 with DNS over TLS, which can wait for the device in async jobs."""

from __future__ import annotations

from dataclasses import replace

from tests.servers.entries import dnsdist
from tests.servers.server import Site, Way, in_root, run

_ROOT = "/var/tmp/simaccel-dnsdist-forky"


def _reload(site: Site, _: int) -> None:
    run(*in_root(_ROOT, *dnsdist.reload_command(site)))


SERVER = replace(
    dnsdist.SERVER,
    name="dnsdist_async",
    title="dnsdist 2, DNS over TLS",
    root=_ROOT,
    way=Way.PAUSES,
    needs="`tlsAsyncMode=true` of `addTLSLocal` makes it pause; without that its thread waits for each operation. "
    "The device must allow its user: `--allow-user _dnsdist`.",
    files={"dnsdist.conf": dnsdist.config("setMaxTCPClientThreads(1)\n", ", tlsAsyncMode=true")},
    reload=_reload,
)
