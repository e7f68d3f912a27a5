"""The catalogue of the scenarios: what each does, in one line, and which public faults it stands for.

Both judges use it: `simaccel certify server` for TLS servers, and `accel.certify` for servers in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sim import UsageError


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One way in which servers have been broken. docs/certify.md has a section for each, under its name."""

    name: str
    what: str
    """What happens, in one line."""
    stands_for: str = ""
    """The public faults. Empty if there are none that we know of."""


CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            "offload",
            "the server's operations reach the device",
            "a server that silently does not use its card (QAT_Engine #103; HAProxy without ssl-propquery)",
        ),
        CatalogueEntry(
            "asynchronous",
            "a slow device does not make the clients wait for each other",
            "a server that blocks a thread although it was told to be asynchronous (neverbleed #58)",
        ),
        CatalogueEntry(
            "abort-mid-pause",
            "clients vanish while their operations are in flight",
            "QAT_Engine #292, #349, #143; HAProxy #3453",
        ),
        CatalogueEntry(
            "abort-waiting-for-slot",
            "clients vanish while they wait for a slot of the ring",
            "a slot or an fd that is lost (asynch_mode_nginx #39)",
        ),
        CatalogueEntry(
            "freed-in-flight",
            "connections are freed before their operations complete",
            "a wait context that was used after SSL was freed (PowerDNS pdns #17900, #17913, #17947)",
        ),
        CatalogueEntry(
            "fd-reuse",
            "new connections get the fd numbers of aborted ones",
            "an eventfd that is still registered after the tear-down (Traffic Server #13264, PowerDNS pdns #17921)",
        ),
        CatalogueEntry(
            "many-pauses",
            "one handshake pauses many times",
            "a server that waits for a new fd at each pause (QAT_Engine #201, folly #1292)",
        ),
        CatalogueEntry(
            "no-pause",
            "operations end without a pause, as the device is gone",
            "an operation that had completed synchronously and was taken for pending (neverbleed #58)",
        ),
        CatalogueEntry(
            "wake-before-pause",
            "wake-ups come before the pause",
            "OpenSSL's dasync engine always wakes that early, and a card does now and then",
        ),
        CatalogueEntry(
            "spurious-wake", "jobs are woken for nothing", "a pause that is taken for a failure (s_server -rev)"
        ),
        CatalogueEntry(
            "early-resume", "jobs are woken just before the completion", 'QAT_Engine\'s error "resumed unexpectedly"'
        ),
        CatalogueEntry("duplicate", "operations complete twice", "a card that coalesces interrupts"),
        CatalogueEntry(
            "ring-full",
            "24 handshakes want the two slots of a ring",
            "endless loops on EAGAIN (QAT_Engine #211, #181, #155, #100; asynch_mode_nginx #82); a hang with 64 "
            "requests in flight (QAT_Engine #81)",
        ),
        CatalogueEntry(
            "held-for-ever",
            "some operations do not complete",
            "a busy loop while operations are in flight (QAT_Engine #211)",
        ),
        CatalogueEntry("error", "the device fails operations", "a card that fails, and takes the server with it"),
        CatalogueEntry("corrupt", "the device damages results"),
        CatalogueEntry("late-completion", "operations complete after their deadline"),
        CatalogueEntry(
            "device-restart", "the device is killed, and comes back", "heartbeat failures of cards (QAT_Engine #47)"
        ),
        CatalogueEntry("reload", "the server reloads under load", "QAT_Engine #201; fork: QAT_Engine #36, #256, #47"),
        CatalogueEntry("graceful-stop", "the server is told to end with operations in flight"),
        CatalogueEntry("many-connects", "very many clients connect at once", "QAT_Engine #81"),
        CatalogueEntry("tls-1.2", "handshakes of TLS 1.2 are paused"),
        CatalogueEntry("tls-1.3", "handshakes of TLS 1.3 are paused"),
        CatalogueEntry("rsa", "handshakes with RSA are paused"),
        CatalogueEntry("ecdsa", "handshakes with ECDSA are paused"),
        CatalogueEntry("client-certificate", "clients show certificates"),
    )
}
"""By name, in the order in which they are played."""


def chosen_names(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of the known names that were given, in the known order; all if none was. Raises UsageError for others."""
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise UsageError(
                f"there is no scenario {name!r}: "
                + (f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}")
            )
    return [name for name in known if not names or name in names]
