"""Readers of the test vector files in `cryptography_vectors`, and a way to run a kernel over them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isqrt
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography_vectors import open_vector_file

from sim.kernels import Kernels
from sim.session import Session, check_session

Record = dict[str, str]


def run(name: str, payload: bytes, aux: bytes = b"", material: object = None, **params: Any) -> bytes:
    """A request as a device runs it: session, checks, kernel."""
    kernel = Kernels().get(name)
    session = None if material is None else Session.open(kernel, material, **params)
    check_session(kernel, session)
    key = session.key if session else None
    if kernel.check is not None:
        kernel.check(payload, aux, key)
    return kernel.run(payload, aux, key)


def records(path: str) -> Iterator[Record]:
    """Blocks of `KEY = VALUE` lines, NIST's form. Keys are in upper case; `SECTION` is the last line in brackets.

    A line without `=` is a key with the value ''.
    """
    record: Record = {}
    sections: list[str] = []
    in_sections = False
    for line in _lines(path):
        if line.startswith("["):
            sections = [*sections, line.strip("[]")] if in_sections else [line.strip("[]")]
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            record[key.strip().upper()] = value.strip()
        elif not line and record:
            yield {"SECTION": ",".join(sections), **record}
            record = {}
        in_sections = line.startswith("[")
    if record:
        yield {"SECTION": ",".join(sections), **record}


def counted(path: str) -> Iterator[Record]:
    """Lines `key = value`, where each record begins with `count`: the form of NIST's post-quantum project."""
    record: Record = {}
    for line in _lines(path):
        key, _, value = line.partition("=")
        if key.strip() == "count" and record:
            yield record
            record = {}
        record[key.strip()] = value.strip()
    yield record


def titled(path: str, last: str) -> Iterator[tuple[rsa.RSAPrivateKey, dict[str, bytes]]]:
    """Hex below titles, RSA Laboratories' form: for each example its key, and its fields by title, up to `last`."""
    fields: dict[str, str] = {}
    title = ""
    key = None
    for line in [*_lines(path), "# end:"]:
        heading = re.fullmatch(r"# (.+?):", line)
        if heading:
            if title == "Prime 2":
                key = private_key(*(int(fields[name], 16) for name in ("Modulus", "Public exponent", "Exponent")))
            if title == last:
                assert key is not None
                yield key, {name: bytes.fromhex(value) for name, value in fields.items() if len(value) % 2 == 0}
            title = heading[1]
            fields[title] = ""
        elif re.fullmatch(r"[0-9a-fA-F ]+", line):
            fields[title] += line.replace(" ", "")


def private_key(n: int, e: int, d: int) -> rsa.RSAPrivateKey:
    p, q = _primes(n, e, d)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), rsa.RSAPublicNumbers(e, n)
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)  # which takes longer than all else here


def _primes(n: int, e: int, d: int) -> tuple[int, int]:
    """The factors of n, the larger one first. cryptography finds those of any e, by powers that take a second.

    d * e - 1 is a multiple of (p - 1) * (q - 1), or of that divided by a small number. For a small e it is clear which.
    """
    for divisor in range(1, 1_000):
        multiple = (d * e - 1) * divisor
        product, rest = divmod(multiple, multiple // n + 1)
        half_sum = (n - product + 1) // 2
        half_difference = isqrt(max(half_sum**2 - n, 0))
        if not rest and half_sum**2 - half_difference**2 == n:
            return half_sum + half_difference, half_sum - half_difference
    raise ValueError(f"no private exponent for e={e}")


def data(text: str) -> bytes:
    """Hex, or text in quotes, as BoringSSL has it."""
    return text.strip('"').encode() if text.startswith('"') else bytes.fromhex(text)


def _lines(path: str) -> Iterator[str]:
    with open_vector_file(path, "r") as file:
        for line in file:
            yield line.strip()
