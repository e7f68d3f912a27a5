"""Checks the servers that are installed: `make servers`, or `make servers SERVERS='nginx redis'`.

Needs root, because the servers turn into their own users. tests/servers/install.sh installs them all. What was seen
goes to results.json, and `python -m tests.servers.page` writes it into docs/servers.md.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from simaccel.cli.openssl_setup.provider_files import provider_for
from tests import forked
from tests.servers import results
from tests.servers.callers import CALLERS, Caller, check_caller
from tests.servers.checks import check
from tests.servers.entries import SERVERS
from tests.servers.server import Server
from tests.servers.strangers import STRANGERS, Stranger, check_stranger

ALL: dict[str, Server | Stranger | Caller] = {**SERVERS, **STRANGERS, **CALLERS}


def seen_of(one: Server | Stranger | Caller, provider: Path) -> dict[str, Any]:
    """Check it. Returns what was seen. Raises AssertionError."""
    if isinstance(one, Stranger):
        return check_stranger(one, provider)
    return check_caller(one, provider) if isinstance(one, Caller) else check(one, provider)


def main(names: list[str]) -> int:
    """The exit status: 0 if all that were checked passed."""
    if names == ["--packages"]:
        print(" ".join(package for server in ALL.values() for package in server.packages))
        return 0
    unknown = set(names) - set(ALL)
    if unknown:
        print(f"no server {', '.join(sorted(unknown))}; there are: {' '.join(ALL)}", file=sys.stderr)
        return 2
    if os.geteuid():
        print("the servers turn into users of their own: run this as root", file=sys.stderr)
        return 2
    failed = 0
    provider = provider_for()
    forked.start()
    try:
        for server in (ALL[name] for name in names or ALL):
            if not server.installed:
                print(f"{server.name}: not installed: {server.install}", flush=True)
                continue
            try:
                seen = seen_of(server, provider)
                results.add(server.name, server.version(), server.openssl(), seen)
                print(f"{server.name} {server.version()}: {seen}", flush=True)
            except Exception:
                failed += 1
                print(f"{server.name}: FAILED", flush=True)
                traceback.print_exc()
    finally:
        forked.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
