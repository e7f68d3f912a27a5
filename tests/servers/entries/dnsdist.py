"""dnsdist with DNS over TLS."""

from __future__ import annotations

from tests.servers.server import Server, Site, Way, run
from tests.servers.talk import DNS


def config(threads: str = "", options: str = "") -> str:
    """The configuration file. `threads` is a line of it, and `options` are more options of `addTLSLocal`."""
    return f"""\
setKey("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=")
controlSocket("127.0.0.1:@other@")
setLocal("127.0.0.2:@other@")
{threads}addTLSLocal("127.0.0.1:@port@", "@folder@/cert.pem", "@folder@/key.pem", {{provider="openssl"{options}}})
newServer("127.0.0.1:9")
addAction(AllRule(), SpoofAction("127.0.0.1"))
"""


def reload_command(site: Site) -> tuple[str, ...]:
    return "dnsdist", "-C", str(site.folder / "dnsdist.conf"), "-e", "reloadAllCertificates()"


def _reload(site: Site, _: int) -> None:
    run(*reload_command(site))


SERVER = Server(
    name="dnsdist",
    title="dnsdist, DNS over TLS",
    packages=("dnsdist",),
    program="/usr/bin/dnsdist",
    way=Way.BLOCKS,
    port=853,
    needs="The device must allow its user: `--allow-user _dnsdist`. The provider of `addTLSLocal` must be "
    "openssl. This version uses no async jobs: it imports none of their functions from libcrypto or libssl.",
    files={"dnsdist.conf": config()},
    command=("dnsdist", "-C", "@folder@/dnsdist.conf", "--supervised", "-u", "_dnsdist", "-g", "_dnsdist"),
    talk=DNS,
    reload=_reload,
    reloads="`reloadAllCertificates()`",
    users=("_dnsdist",),
    owner="_dnsdist",
    shown="dnsdist.conf",
)
