"""dnsdist 2 with DNS over TLS, which can wait for the device in async jobs."""

from __future__ import annotations

from tests.servers.server import Server, Site, Way, in_root, run
from tests.servers.talk import DNS

_ROOT = "/var/tmp/simaccel-dnsdist-forky"
_CONFIG = """\
setKey("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=")
controlSocket("127.0.0.1:@other@")
setLocal("127.0.0.2:@other@")
setMaxTCPClientThreads(1)
addTLSLocal("127.0.0.1:@port@", "@folder@/cert.pem", "@folder@/key.pem", {provider="openssl", tlsAsyncMode=true})
newServer("127.0.0.1:9")
addAction(AllRule(), SpoofAction("127.0.0.1"))
"""


def _reload(site: Site, _: int) -> None:
    config = str(site.folder / "dnsdist.conf")
    run(*in_root(_ROOT, "dnsdist", "-C", config, "-e", "reloadAllCertificates()"))


SERVER = Server(
    name="dnsdist_async",
    title="dnsdist 2, DNS over TLS",
    packages=("dnsdist",),
    program="/usr/bin/dnsdist",
    root=_ROOT,
    way=Way.PAUSES,
    port=853,
    needs="`tlsAsyncMode=true` of `addTLSLocal` makes it pause; without that its thread waits for each operation. "
    "The device must allow its user: `--allow-user _dnsdist`.",
    files={"dnsdist.conf": _CONFIG},
    command=("dnsdist", "-C", "@folder@/dnsdist.conf", "--supervised", "-u", "_dnsdist", "-g", "_dnsdist"),
    talk=DNS,
    reload=_reload,
    reloads="`reloadAllCertificates()`",
    users=("_dnsdist",),
    owner="_dnsdist",
    shown="dnsdist.conf",
)
