"""Presets: the timing of real cards. Each figure has its source. A figure without a source is marked as an estimate.

A preset has the number of units, the service and the latency that give the published rates. It says nothing about how
the card is built. Requests carry no key size, so each figure holds for the key size that is named with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from sim.errors import UsageError
from sim.timing.models import Fixed, Model, PerByte, PerOperation
from sim.timing.timing import Timing

_RSA_PRIVATE = ("rsa-sign", "rsa-sign-pss", "rsa-decrypt")
_EC_PRIVATE = ("ecdsa-sign", "ed25519-sign", "x25519", "ecdh")
_NULL = ("null", "echo")

# None of these cards does ML-DSA or ML-KEM, and no figure of a card that does is published. So these are times of one
# CPU core: OpenSSL 4.0.3 in cryptography 50, means of 1,000, because the time of an ML-DSA signature is random. With
# them a preset says what a card would be worth if each of its units were as fast as that core.
_POST_QUANTUM: dict[str, Model] = {
    "ml-dsa-44-sign": Fixed(530_000),
    "ml-dsa-65-sign": Fixed(870_000),
    "ml-dsa-87-sign": Fixed(1_040_000),
    "ml-kem-768-encapsulate": Fixed(21_000),
    "ml-kem-768-decapsulate": Fixed(32_000),
    "ml-kem-1024-encapsulate": Fixed(27_000),
    "ml-kem-1024-decapsulate": Fixed(40_000),
}


def _table(*rows: tuple[Iterable[str], Model]) -> dict[str, Model]:
    return {op: model for ops, model in rows for op in ops} | _POST_QUANTUM


def _qat_dh895xcc() -> Timing:
    # QAT_Engine #71, Intel 8950 (DH895xCC), RSA-2048 with `openssl speed`: 940.7 sign/s one at a time (1,063 us each)
    # and 20,020.2 sign/s with async jobs. Two equations: units / service = 20,020.2/s, service + latency = 1,063 us.
    # With 20 units, service = 20 / 20,020.2 = 999 us and latency = 64 us, which give 20,020.0/s and 940.7/s.
    # Other numbers of units would give the same rate with another service, and so need another latency: 16 units leave
    # 264 us for it, 21 leave 14 us, and 22 leave less than nothing. The report also has 941.2 verify/s one at a time,
    # although a verify is far less work. So most of the 1,063 us must be waiting by the host. The preset reproduces the
    # rates, and not what causes them.
    #
    # The rest is estimated. Other private-key operations with RSA do the same exponentiation. On curves of 256 bits
    # this card is about as fast as on RSA-2048, so the figure is the same. Bulk: QAT_Engine #98 measured 4 GB/s in all,
    # which is 200 MB/s a unit, for AES-CBC with HMAC and many requests in flight. AES-GCM and hashes are assumed to be
    # as fast. 5 us is our guess for the cost of a descriptor.
    private = Fixed(999_000)
    bulk = PerByte(5_000, 200_000_000)
    table = _table((_RSA_PRIVATE + _EC_PRIVATE, private), (_NULL, Fixed(5_000)))
    return Timing(PerOperation(table, bulk), Fixed(64_000), units=20, preset="qat-dh895xcc")


def _qat_8970() -> Timing:
    # QAT_Engine #93, Intel 8970 (three C62x): RSA-2048 with nine processes of 72 async jobs, 1,014,919 signatures in
    # 10 s: 101,492 sign/s. With 60 units (20 for each of three devices, as above: an estimate), service = 60 /
    # 101,492 = 591 us. No rate for one at a time is published: the latency is that of qat-dh895xcc, an estimate.
    #
    # Curves, bulk and the cost of a descriptor are estimates, as above. For bulk the estimate is the 100 Gbit/s
    # (12.5 GB/s) that the card is sold with, divided by 60 units.
    private = Fixed(591_000)
    bulk = PerByte(5_000, 208_000_000)
    table = _table((_RSA_PRIVATE + _EC_PRIVATE, private), (_NULL, Fixed(5_000)))
    return Timing(PerOperation(table, bulk), Fixed(64_000), units=60, preset="qat-8970")


def _cloudhsm(name: str, ecdsa_ns: int) -> Timing:
    # AWS CloudHSM user guide, 'Performance information'. It has figures for clusters of two HSMs; these are half of
    # them. hsm1.medium: RSA-2048 sign 1,000/s, P-256 sign 250/s. hsm2m.medium: 1,000/s and 1,500/s.
    # Estimates: 10 units, a number that only splits the rate, and a latency of 1 ms for the network. Other RSA
    # operations are assumed to cost as much as a signature, and other curves as much as P-256. For everything else no
    # figure is published, so it is 1 ms.
    table = _table((_RSA_PRIVATE, Fixed(10_000_000)), (_EC_PRIVATE, Fixed(ecdsa_ns)))
    return Timing(PerOperation(table, Fixed(1_000_000)), Fixed(1_000_000), units=10, preset=name)


_PRESETS = {
    timing.preset: timing
    for timing in (
        _qat_dh895xcc(),
        _qat_8970(),
        _cloudhsm("cloudhsm-hsm1", 40_000_000),
        _cloudhsm("cloudhsm-hsm2m", 6_667_000),
    )
    if timing.preset is not None
}


def preset_names() -> list[str]:
    """The names for `preset:NAME`, sorted."""
    return sorted(_PRESETS)


def preset(name: str) -> Timing:
    """The timing of the card with that name. Raises UsageError for a name that is not a preset."""
    timing = _PRESETS.get(name) if isinstance(name, str) else None
    if timing is None:
        close = get_close_matches(name, _PRESETS, n=1) if isinstance(name, str) else []
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"no preset {name!r}: {guess}use one of {', '.join(preset_names())}")
    return timing
