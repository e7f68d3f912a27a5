"""dnsdist 1.9 with DNS over TLS. It waits for the device as dnsdist 2 does."""

from __future__ import annotations

from tests.servers.entries.dnsdist_async import of_debian

SERVER = of_debian("trixie", "dnsdist_1_9", "dnsdist 1.9, DNS over TLS")
