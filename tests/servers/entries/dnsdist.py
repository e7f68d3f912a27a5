"""dnsdist with DNS over TLS."""

from __future__ import annotations

from tests.servers.server import Server, Site, Way, run
from tests.servers.talk import DNS

_CONFIG = """\
setKey("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=")
controlSocket("127.0.0.1:@other@")
setLocal("127.0.0.2:@other@")
addTLSLocal("127.0.0.1:@port@", "@folder@/cert.pem", "@folder@/key.pem", {provider="openssl"})
newServer("127.0.0.1:9")
addAction(AllRule(), SpoofAction("127.0.0.1"))
"""


def _reload(site: Site, _: int) -> None:
    run("dnsdist", "-C", site.folder / "dnsdist.conf", "-e", "reloadAllCertificates()")


SERVER = Server(
    name="dnsdist",
    title="dnsdist, DNS over TLS",
    packages=("dnsdist",),
    program="/usr/bin/dnsdist",
    way=Way.BLOCKS,
    port=853,
    needs="The device must allow its user: `--allow-user _dnsdist`. The provider of `addTLSLocal` must be "
    "openssl. This version uses no async jobs: it imports none of their functions from libcrypto or libssl.",
    files={"dnsdist.conf": _CONFIG},
    command=("dnsdist", "-C", "@folder@/dnsdist.conf", "--supervised", "-u", "_dnsdist", "-g", "_dnsdist"),
    talk=DNS,
    reload=_reload,
    reloads="`reloadAllCertificates()`",
    users=("_dnsdist",),
    owner="_dnsdist",
    shown="dnsdist.conf",
)
