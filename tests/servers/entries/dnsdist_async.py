"""dnsdist 2 with DNS over TLS, which can wait for the device in async jobs."""

from __future__ import annotations

from dataclasses import replace

from tests.servers.entries import dnsdist
from tests.servers.server import Server, Site, Way, in_root, run


def of_debian(suite: str, name: str, title: str) -> Server:
    """The entry of the dnsdist of that Debian, in the folder that debian_root.sh makes."""
    root = f"/var/tmp/simaccel-dnsdist-{suite}"

    def reload(site: Site, _: int) -> None:
        run(*in_root(root, *dnsdist.reload_command(site)))

    return replace(
        dnsdist.SERVER,
        name=name,
        title=title,
        root=root,
        way=Way.PAUSES,
        needs="`tlsAsyncMode=true` of `addTLSLocal` makes it pause; without that its thread waits for each operation. "
        "The device must allow its user: `--allow-user _dnsdist`.",
        files={"dnsdist.conf": dnsdist.config("setMaxTCPClientThreads(1)\n", ", tlsAsyncMode=true")},
        reload=reload,
    )


SERVER = of_debian("forky", "dnsdist_async", "dnsdist 2, DNS over TLS")
