"""What each preset rests on: the source, the figures that are published there, and what was fitted or guessed."""

from __future__ import annotations

from dataclasses import dataclass

_GUESSED = (
    "the number of units; curves and other RSA operations as fast as an RSA-2048 signature; bulk and the cost of a "
    "descriptor; post-quantum operations, which are times of a CPU core"
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where one preset comes from. Its published figure is a rate of RSA-2048 signatures, `rsa_sign_per_s`."""

    card: str
    source: str
    published: str
    fitted: str
    guessed: str
    rsa_sign_per_s: float


PROVENANCE = {
    "qat-dh895xcc": Provenance(
        "Intel 8950 (DH895xCC)",
        "QAT_Engine issue 71, and issue 98 for bulk",
        "RSA-2048: 940.7 signatures a second one at a time, 20,020.2 with async jobs; 4 GB/s of AES-CBC with HMAC",
        "service and latency, to both rates",
        _GUESSED,
        20_020.2,
    ),
    "qat-8970": Provenance(
        "Intel 8970 (three C62x)",
        "QAT_Engine issue 93",
        "RSA-2048: 101,492 signatures a second with nine processes of 72 async jobs",
        "the service, to that rate",
        f"the latency, which is that of qat-dh895xcc; {_GUESSED}",
        101_492.0,
    ),
    "cloudhsm-hsm1": Provenance(
        "AWS CloudHSM hsm1.medium",
        "AWS CloudHSM user guide, 'Performance information', clusters of two HSMs, halved",
        "RSA-2048: 1,000 signatures a second; P-256: 250 a second",
        "the services, to these rates",
        "10 units, which only split the rates; 1 ms of latency for the network; 1 ms for everything else",
        1_000.0,
    ),
    "cloudhsm-hsm2m": Provenance(
        "AWS CloudHSM hsm2m.medium",
        "AWS CloudHSM user guide, 'Performance information', clusters of two HSMs, halved",
        "RSA-2048: 1,000 signatures a second; P-256: 1,500 a second",
        "the services, to these rates",
        "10 units, which only split the rates; 1 ms of latency for the network; 1 ms for everything else",
        1_000.0,
    ),
}
"""By the preset's name."""
