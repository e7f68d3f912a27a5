"""The catalogue of the scenarios: what each does, what must hold, and which public faults it stands for.

Both judges use it: `simaccel certify server` for TLS servers, and `accel.certify` for servers in Python. The sections
of docs/certify.md and the rows of docs/certify-python.md are made from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sim import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One way in which servers have been broken."""

    name: str
    what: str
    """What happens, in one line."""
    server: str
    """What `simaccel certify server` does, and what must hold. Markdown."""
    python: str = ""
    """The same of `accel.certify`. Empty if the scenario says nothing about a server in Python."""
    stands_for: str = ""
    """The public faults. Empty if there are none that we know of."""


CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name="offload",
            what="the server's operations reach the device",
            server=(
                "Certify makes 16 handshakes. Each must make at least one operation on the device, and none may be "
                "done in software."
            ),
            python="16 clients come. Each handshake does its operations on the device",
            stands_for="a server that silently does not use its card (QAT_Engine #103; HAProxy without ssl-propquery)",
        ),
        CatalogueEntry(
            name="asynchronous",
            what="a slow device does not make the clients wait for each other",
            server="24 clients come while each operation takes 50 ms. More than one operation must be in flight.",
            python="24 clients come while each operation takes 50 ms. More than one is in flight",
            stands_for="a server that blocks a thread although it was told to be asynchronous (neverbleed #58)",
        ),
        CatalogueEntry(
            name="abort-mid-pause",
            what="clients vanish while their operations are in flight",
            server=(
                "Eight clients reset their connections while their operations are in flight. After that, the "
                "operations complete in another order. This happens four times. The server must give everything back "
                "and go on."
            ),
            python=(
                "clients vanish while their jobs are paused, and their operations then complete in another order. "
                "This happens four times"
            ),
            stands_for="QAT_Engine #292, #349, #143; HAProxy #3453",
        ),
        CatalogueEntry(
            name="abort-waiting-for-slot",
            what="clients vanish while they wait for a slot of the ring",
            server=(
                "Clients reset their connections while two operations hold the ring of two and the others wait for a "
                "slot (status EAGAIN). An operation that waits for a slot is not at the device yet, so a server "
                "easily forgets it."
            ),
            python="clients vanish while they wait for a slot of a ring of two. Nobody's slot is lost",
            stands_for="a slot or an fd that is lost (asynch_mode_nginx #39)",
        ),
        CatalogueEntry(
            name="freed-in-flight",
            what="connections are freed before their operations complete",
            server=(
                "The clients vanish, and the device holds their operations until the server has freed the "
                "connections, or shows that it keeps them. Then they complete. Nobody may touch what was freed."
            ),
            python=(
                "the server may free the connections of clients that have vanished. Their operations complete only "
                "after that"
            ),
            stands_for="a wait context that was used after SSL was freed (PowerDNS pdns #17900, #17913, #17947)",
        ),
        CatalogueEntry(
            name="fd-reuse",
            what="new connections get the fd numbers of aborted ones",
            server=(
                "Clients vanish in mid-pause and new ones take their fd numbers at once, before and after the old "
                "operations complete. Each new handshake must get its own wake-ups."
            ),
            python="new clients get the fd numbers of those that have vanished. Each gets its own wake-ups",
            stands_for=(
                "an eventfd that is still registered after the tear-down (Traffic Server #13264, PowerDNS pdns #17921)"
            ),
        ),
        CatalogueEntry(
            name="many-pauses",
            what="one handshake pauses many times",
            server=(
                "Each operation of a handshake is resumed four times for nothing before it completes, so that one "
                "handshake pauses a dozen times. The fd stays the same and is reported only once, so a server that "
                "waits for a new one hangs."
            ),
            python="each operation is resumed four times for nothing. The fd stays the same, and is reported once",
            stands_for="a server that waits for a new fd at each pause (QAT_Engine #201, folly #1292)",
        ),
        CatalogueEntry(
            name="no-pause",
            what="operations end without a pause, because the device is gone",
            server=(
                "The device is killed, so operations end in software without any pause. A handshake that never pauses "
                "must end too."
            ),
            python="the device is removed, so handshakes end in software and never pause",
            stands_for="an operation that had completed synchronously and was taken for pending (neverbleed #58)",
        ),
        CatalogueEntry(
            name="wake-before-pause",
            what="wake-ups come before the pause",
            server=(
                "The provider pauses late, so every wake-up comes before its pause. A server hangs if it reads the "
                "fd, or begins to listen to the callback, only after the pause."
            ),
            python="each wake-up comes before its pause",
            stands_for="OpenSSL's dasync engine always wakes that early, and a card does now and then",
        ),
        CatalogueEntry(
            name="spurious-wake",
            what="jobs are woken for nothing",
            server=(
                "Jobs are woken although their operations go on. They pause again. The server must wait for them "
                "again, and not close them as failed."
            ),
            python="jobs are woken for nothing, pause again, and then complete",
            stands_for="a pause that is taken for a failure (s_server -rev)",
        ),
        CatalogueEntry(
            name="early-resume",
            what="jobs are woken just before the completion",
            server=(
                "In a first part, each wake-up comes just before the completion, so a resume may or may not find the "
                "operation done. In a second part, each operation completes only after it was resumed for nothing."
            ),
            python="each job is woken just before its operation completes",
            stands_for='QAT_Engine\'s error "resumed unexpectedly"',
        ),
        CatalogueEntry(
            name="duplicate",
            what="operations complete twice",
            server=(
                "Operations complete twice, and the second time wakes other jobs. Each handshake must still end once."
            ),
            python="operations complete twice, and jobs whose operations go on are woken",
            stands_for="a card that coalesces interrupts",
        ),
        CatalogueEntry(
            name="ring-full",
            what="24 handshakes want the two slots of a ring",
            server=(
                "24 handshakes want the two slots of a ring, and nothing completes for a while. The server must wait "
                "without a busy loop, and then complete all 24."
            ),
            python=(
                "24 clients want the two slots of a ring. In a turn the server tries each job at most twice. This is "
                "played twice: with an engine that wakes a job when there is a slot for it, and with one that leaves "
                "this to the server, as QAT_Engine does"
            ),
            stands_for=(
                "endless loops on EAGAIN (QAT_Engine #211, #181, #155, #100; asynch_mode_nginx #82); a hang with 64 "
                "requests in flight (QAT_Engine #81)"
            ),
        ),
        CatalogueEntry(
            name="held-for-ever",
            what="some operations do not complete",
            server=(
                "Eight operations do not complete. Other handshakes must go on, and the server must wait without a "
                "busy loop. Its CPU time is compared with that of a process that only counts. However busy the "
                "machine is, a busy loop gets as much as that process. A server that gets more than 30 % of it fails."
            ),
            python="eight operations do not complete. The server resumes none of these jobs, and serves others",
            stands_for="a busy loop while operations are in flight (QAT_Engine #211)",
        ),
        CatalogueEntry(
            name="error",
            what="the device fails operations",
            server=(
                "The device fails operations, by itself and by a reset, and nothing replaces it (`fallback = no`). "
                "These handshakes must fail, their clients must be told, and the server must go on."
            ),
            python=(
                "the device fails operations, and is reset. These handshakes raise; the server closes their clients "
                "and goes on"
            ),
            stands_for="a card that fails, and takes the server with it",
        ),
        CatalogueEntry(
            name="corrupt",
            what="the device damages results",
            server="The device damages results. No handshake may succeed with one, and no client may be left waiting.",
            python="the device damages results, so handshakes raise an exception that is not the engine's",
        ),
        CatalogueEntry(
            name="late-completion",
            what="operations complete after their deadline",
            server=(
                "Operations pass their deadline of 300 ms, and the handshakes go on in software. The completions come "
                "after that, and must not reach anybody."
            ),
            python=(
                "operations pass their deadline of 300 ms, and the handshakes go on in software. The completions come "
                "after that"
            ),
        ),
        CatalogueEntry(
            name="device-restart",
            what="the device is killed, and comes back",
            server=(
                "The device is killed with operations in flight. These handshakes and new ones must succeed in "
                "software. When the device is back, the server must use it again."
            ),
            python="the device is removed with operations in flight, and comes back. The server uses it again",
            stands_for="heartbeat failures of cards (QAT_Engine #47)",
        ),
        CatalogueEntry(
            name="reload",
            what="the server reloads under load",
            server=(
                "The server gets the reload signal with eight handshakes paused, and 24 more come. All must succeed."
            ),
            stands_for="QAT_Engine #201; fork: QAT_Engine #36, #256, #47",
        ),
        CatalogueEntry(
            name="graceful-stop",
            what="the server is told to end with operations in flight",
            server=(
                "The server gets the stop signal with eight handshakes paused, which complete after that. It must end "
                "by itself, without a crash, and every client must see an end."
            ),
            python="`stop()` is called with eight handshakes paused. Every client is closed",
        ),
        CatalogueEntry(
            name="many-connects",
            what="very many clients connect at once",
            server=(
                "1,000 clients connect at once. All must get their handshakes. The server gets a soft limit of 8,192 "
                "open files, if its hard limit allows it."
            ),
            python="1,000 clients connect at once, with up to two fds each",
            stands_for="QAT_Engine #81",
        ),
        CatalogueEntry(
            name="tls-1.2",
            what="handshakes of TLS 1.2 are paused",
            server=(
                "Handshakes of TLS 1.2 are paused. The scenario does not apply to a server that does not offer TLS "
                "1.2. The same holds for the following ones."
            ),
        ),
        CatalogueEntry(
            name="tls-1.3",
            what="handshakes of TLS 1.3 are paused",
            server="Handshakes of TLS 1.3 are paused.",
        ),
        CatalogueEntry(
            name="rsa",
            what="handshakes with RSA are paused",
            server="Handshakes with an RSA certificate in TLS 1.2 are paused. Each must sign with RSA on the device.",
        ),
        CatalogueEntry(
            name="ecdsa",
            what="handshakes with ECDSA are paused",
            server=(
                "Handshakes with an ECDSA certificate in TLS 1.2 are paused. Each must sign with ECDSA on the device."
            ),
        ),
        CatalogueEntry(
            name="client-certificate",
            what="clients show certificates",
            server=(
                "Clients show a certificate, in TLS 1.2. The messages that carry it make the server go on after its "
                "first pauses: stunnel and HAProxy verify clients in the same handshake that pauses."
            ),
        ),
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
