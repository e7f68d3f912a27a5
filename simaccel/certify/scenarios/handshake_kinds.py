"""The kinds of handshakes: versions of TLS, kinds of keys, certificates of clients."""

from __future__ import annotations

import ssl

from simaccel.certify.clients import State, client_context
from simaccel.certify.manner import FEW, DoesNotApply, Failed, For, Way
from simaccel.certify.scenarios.scenario import ServerScenario
from simaccel.certify.stage import Stage

_NOT_OFFERED = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "HANDSHAKE_FAILURE", "NO_SHARED_CIPHER")
"""Parts of OpenSSL's error texts for a server that does not offer what the client wants."""


def _play(stage: Stage, context: ssl.SSLContext, what: str, op: str | None = None) -> None:
    """First one handshake of a kind, to see whether the server offers it. Then several that are paused together."""
    (first,) = stage.clients.open(1, context)
    stage.all_ended([first])
    if first.state is State.FAILED:
        if any(part in first.why.upper() for part in _NOT_OFFERED):
            raise DoesNotApply(f"the server offers no {what}: {first.why}")
        raise Failed(f"a handshake with {what} failed: {first.why}")
    before = stage.device.state()
    stage.device.hold()
    clients = stage.clients.open(FEW, context)
    wanted = FEW if stage.manner.parallel else 1
    if stage.manner.way is Way.PAUSES:
        stage.until(lambda: stage.device.state().held >= wanted, f"fewer than {wanted} handshakes reach the device")
    stage.device.go()
    stage.all_done(clients)
    after = stage.device.state()
    if op is not None and after.by_op.get(op, 0) - before.by_op.get(op, 0) < FEW:
        raise Failed(f"{FEW} handshakes with {what} made {after.by_op.get(op, 0) - before.by_op.get(op, 0)} {op}")


def tls_1_2(stage: Stage) -> None:
    """TLS 1.2."""
    _play(stage, client_context(ssl.TLSVersion.TLSv1_2), "TLS 1.2")


def tls_1_3(stage: Stage) -> None:
    """TLS 1.3."""
    _play(stage, client_context(ssl.TLSVersion.TLSv1_3), "TLS 1.3")


def rsa(stage: Stage) -> None:
    """A certificate with an RSA key. Only TLS 1.2 lets Python choose by the cipher."""
    _play(stage, client_context(ssl.TLSVersion.TLSv1_2, ciphers="ECDHE+aRSA"), "RSA in TLS 1.2", "rsa-sign")


def ecdsa(stage: Stage) -> None:
    """A certificate with an elliptic curve key."""
    _play(stage, client_context(ssl.TLSVersion.TLSv1_2, ciphers="aECDSA"), "ECDSA in TLS 1.2", "ecdsa-sign")


def client_certificate(stage: Stage) -> None:
    """The client shows a certificate, in TLS 1.2: there its handshake ends only after the server has accepted it."""
    asked: list[bool] = []

    def listen(*message: object) -> None:
        # Connection, direction, version, kind of record, kind of message, data.
        if message[1] == "read" and message[4] == ssl._TLSMessageType.CERTIFICATE_REQUEST:  # type: ignore[attr-defined]
            asked.append(True)

    context = client_context(ssl.TLSVersion.TLSv1_2, certificate=stage.certificate)
    context._msg_callback = listen  # type: ignore[attr-defined]
    (probe,) = stage.clients.open(1, context)
    stage.all_ended([probe])
    if not asked:
        raise DoesNotApply("the server asks for no certificate in TLS 1.2")
    _play(stage, context, "a client's certificate")


SCENARIOS = (
    ServerScenario("tls-1.2", tls_1_2, For.ALL),
    ServerScenario("tls-1.3", tls_1_3, For.ALL),
    ServerScenario("rsa", rsa, For.ALL),
    ServerScenario("ecdsa", ecdsa, For.ALL),
    ServerScenario("client-certificate", client_certificate, For.ALL),
)
