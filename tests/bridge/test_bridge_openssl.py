"""The openssl program itself: keys, signatures, speed, s_server."""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path

import pytest

from tests.bridge.device import DeviceProcess
from tests.bridge.tls import PLAIN, client_context, make_certificate, s_server
from tests.bridge.toolbox import HERE, Toolbox, by_op, run
from tests.effort import FULL, pairs, some
from tests.keys import rsa_bytes

RSA, ECDSA = ("rsa2048", "rsa-sign"), ("ecdsap256", "ecdsa-sign")
SPEED = [(*RSA, 8), (*ECDSA, 1), (*ECDSA, 64)]
"""Two seconds each, with both processes busy all the time."""


@pytest.mark.parametrize(
    ("algorithm", "op", "jobs"),
    [(*way, jobs) for way in (RSA, ECDSA) for jobs in (1, 8, 64)] if FULL else some(SPEED, 1),
)
def test_speed_runs_on_the_device(toolbox: Toolbox, device: DeviceProcess, algorithm: str, op: str, jobs: int) -> None:
    environment = toolbox.environment(device.address)
    command = ["openssl", "speed", "-elapsed", "-seconds", "1", "-async_jobs", str(jobs), algorithm]
    done = run(command, environment)
    # "+R1:1234:2048:1.00" and the like: what it counted itself, per operation.
    counted = re.search(rb"^(\d+) .*(?:private RSA|sign).*in ", done.stderr.replace(b"Doing", b"\nDoing"), re.MULTILINE)
    report = device.stat()
    assert by_op(report, op) > 0
    assert report["failed"] == 0
    # From 3.6 on, `speed` of RSA also decrypts with the padding of PKCS#1, which is never sent.
    assert report["told"]["software"] == report["told"]["unsupported"]
    assert counted is None or by_op(report, op) >= int(counted.group(1))


_PSS = ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"]

_KEYS = {
    "rsa-pss": _PSS,
    "rsa-pss-bound": [*_PSS, "-pkeyopt", "rsa_pss_keygen_md:sha256", "-pkeyopt", "rsa_pss_keygen_saltlen:32"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "p256": ["-algorithm", "EC", "-pkeyopt", "group:P-256"],
    "p521": ["-algorithm", "EC", "-pkeyopt", "group:P-521"],
    "k1": ["-algorithm", "EC", "-pkeyopt", "group:secp256k1"],
    "ed25519": ["-algorithm", "ED25519"],
}
_made: dict[tuple[str, str], bytes] = {}
"""Keys as PEM, by kind and by what made them: the tests of all forms share them."""


def test_a_key_without_its_public_part_signs_on_the_device(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    """As Erlang gives its keys."""
    program = tmp_path / "private_only"
    toolbox.compile(program, HERE / "private_only.c")
    run([str(program)], toolbox.environment(device.address))
    assert device.stat()["by_op"] == {"ecdsa-sign": 1}


def test_a_key_of_the_curve_sm2_made_as_an_ec_key_can_be_written(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    """The default provider's encoders do not let it in from another provider, so we have those for EC as well."""
    ours, key = toolbox.environment(device.address), str(tmp_path / "key")
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2"]
    made = run([*make, "-outform", "DER"], ours).stdout
    written = {
        name: run(["openssl", "pkey", "-inform", "DER", *options], environment, text=made).stdout
        for name, environment in (("provider", ours), ("software", PLAIN))
        for options in (["-text", "-pubout"],)
    }
    assert b"SM2" in written["software"]
    assert written["provider"] == written["software"]
    for more in (["-aes256", "-pass", "pass:word"], ["-text"]):
        run([*make, *more, "-out", key], ours)
        run(["openssl", "pkey", "-in", key, "-passin", "pass:word", "-noout", "-check"], PLAIN)
    run(["openssl", "ecparam", "-name", "SM2", "-genkey", "-out", key], ours)
    run(["openssl", "ec", "-in", key, "-noout", "-check"], PLAIN)


@pytest.mark.parametrize(("digest", "length", "offloaded"), [(None, 20, 1), ("sha1", 20, 1), ("sha256", 20, 0)])
def test_ecdsa_signs_no_digest_of_the_wrong_length(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, digest: str | None, length: int, offloaded: int
) -> None:
    ours, key, message = toolbox.environment(device.address), str(tmp_path / "key"), tmp_path / "message"
    message.write_bytes(b"x" * length)
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], PLAIN)
    options = ["-pkeyopt", f"digest:{digest}"] if digest else []
    command = ["openssl", "pkeyutl", "-sign", "-inkey", key, "-in", str(message), "-out", key + ".sig", *options]
    done = [run(command, environment, check=False).returncode for environment in (ours, PLAIN)]
    assert done == [1 - offloaded] * 2
    assert by_op(device.stat(), "ecdsa-sign") == offloaded


_FORMS = [(form, made_with) for form in ("pkcs8", "encrypted", "traditional") for made_with in ("provider", "software")]


@pytest.mark.parametrize(("kind", "form_of_key"), pairs([*_KEYS], _FORMS))
def test_keys_in_every_form_sign(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, kind: str, form_of_key: tuple[str, str]
) -> None:
    form, made_with = form_of_key
    if kind in ("ed25519", "rsa-pss", "rsa-pss-bound") and form == "traditional":
        return  # there is none
    ours = toolbox.environment(device.address)
    key, public, message, signature = (str(tmp_path / name) for name in ("key", "public", "message", "signature"))
    if (kind, made_with) not in _made:
        command = ["openssl", "genpkey", *_KEYS[kind]]
        _made[kind, made_with] = run(command, ours if made_with == "provider" else PLAIN).stdout
    Path(key).write_bytes(_made[kind, made_with])
    options = {"pkcs8": [], "encrypted": ["-aes256", "-passout", "pass:word"], "traditional": ["-traditional"]}[form]
    run(["openssl", "pkey", "-in", key, *options, "-out", key + ".2"], ours)
    run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], PLAIN)
    Path(message).write_bytes(b"to be signed" * 1000 if kind != "ed25519" else b"to be signed")
    password = ["-passin", "pass:word"] if form == "encrypted" else []
    if kind == "ed25519":
        sign = [
            "openssl",
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            key + ".2",
            *password,
            "-in",
            message,
            "-out",
            signature,
        ]
        verify = [
            "openssl",
            "pkeyutl",
            "-verify",
            "-rawin",
            "-pubin",
            "-inkey",
            public,
            "-in",
            message,
            "-sigfile",
            signature,
        ]
    else:
        sign = ["openssl", "dgst", "-sha256", "-sign", key + ".2", *password, "-out", signature, message]
        verify = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", signature, message]
    run(sign, ours)
    run(verify, PLAIN)
    op = "rsa-sign" if kind.startswith("rsa") else {"ed25519": "ed25519-sign"}.get(kind, "ecdsa-sign")
    assert by_op(device.stat(), op) == 1


@pytest.mark.parametrize(
    ("digest", "salt"),
    pairs(
        ["sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha512-256"],
        ["digest", "max", "auto", "0", "20"],
    ),
)
def test_pss_with_every_salt(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, digest: str, salt: str) -> None:
    pem = str(make_certificate(tmp_path, "rsa"))
    message, signature = tmp_path / "message", str(tmp_path / "signature")
    message.write_bytes(b"to be signed")
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt"]
    ours = toolbox.environment(device.address)
    run(
        [
            "openssl",
            "dgst",
            f"-{digest}",
            *pss,
            f"rsa_pss_saltlen:{salt}",
            "-sign",
            pem,
            "-out",
            signature,
            str(message),
        ],
        ours,
    )
    public = str(tmp_path / "public")
    run(["openssl", "pkey", "-in", pem, "-pubout", "-out", public], PLAIN)
    expected = "auto" if salt == "max" else salt
    verify = ["openssl", "dgst", f"-{digest}", *pss, f"rsa_pss_saltlen:{expected}", "-verify", public]
    run([*verify, "-signature", signature, str(message)], PLAIN)
    assert device.stat()["by_op"] == {"rsa-sign": 1}


def test_what_the_device_does_not_do_is_software(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    ours = toolbox.environment(device.address)
    key, message, signature = str(tmp_path / "key"), tmp_path / "message", str(tmp_path / "signature")
    message.write_bytes(b"to be signed")
    Path(key).write_bytes(rsa_bytes())
    for options in (["-md5"], ["-sha256", "-sigopt", "rsa_padding_mode:x931"]):
        run(["openssl", "dgst", *options, "-sign", key, "-out", signature, str(message)], ours)
        run(["openssl", "dgst", *options, "-prverify", key, "-signature", signature, str(message)], PLAIN)
    for kind in ("ED448", "DSA"):
        if kind == "ED448":
            run(["openssl", "genpkey", "-algorithm", kind, "-out", key], ours)
            sign = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", str(message), "-out", signature]
            run(sign, ours)
    assert device.stat()["by_op"] == {}


def test_certificates_and_cms(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    ours = toolbox.environment(device.address)
    pem, message, cms = str(make_certificate(tmp_path, "rsa")), tmp_path / "message", str(tmp_path / "cms")
    message.write_bytes(b"to be signed")
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-384",
        "-nodes",
        "-subj",
        "/CN=x",
    ]
    certificate = str(tmp_path / "certificate")
    run([*request, "-keyout", str(tmp_path / "new.key"), "-out", certificate], ours)
    run(["openssl", "verify", "-CAfile", certificate, certificate], PLAIN)
    run(["openssl", "cms", "-sign", "-binary", "-signer", pem, "-in", str(message), "-out", cms], ours)
    opened = run(["openssl", "cms", "-verify", "-noverify", "-in", cms], PLAIN)
    assert opened.stdout == b"to be signed"
    assert device.stat()["by_op"] == {"ecdsa-sign": 1, "rsa-sign": 1}


# s_server sleeps for two seconds at each handshake.
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])
@pytest.mark.parametrize(
    ("kind", "op"),
    some([("rsa", "rsa-sign"), ("rsa-pss", "rsa-sign"), ("ec", "ecdsa-sign"), ("ed25519", "ed25519-sign")], 1),
)
def test_s_server_pauses_on_the_device(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, kind: str, op: str, version: ssl.TLSVersion
) -> None:
    pem = make_certificate(tmp_path, kind)
    with s_server(toolbox, device.address, pem, "-WWW") as port:
        # -WWW without a file: the handshake is what counts; -www would sleep a second at every pause.
        context = client_context(version)
        context.set_ciphers("ALL:@SECLEVEL=0")
        _handshake(port, context)
    report = device.stat()
    assert by_op(report, op) >= 1
    assert by_op(report, "x25519") >= 1


def _handshake(port: int, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("127.0.0.1", port), 60) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as peer,
    ):
        assert peer.version() is not None


def test_client_certificates_sign_on_the_device(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    server, client = make_certificate(tmp_path, "ec", "server"), make_certificate(tmp_path, "rsa", "client")
    with s_server(toolbox, device.address, server, "-Verify", "1", "-CAfile", str(tmp_path / "client.crt")) as port:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-cert", str(client), "-brief"]
        done = run(command, toolbox.environment(device.address))
    assert b"CONNECTION ESTABLISHED" in done.stderr
    report = device.stat()
    assert by_op(report, "rsa-sign") == 1
    assert by_op(report, "ecdsa-sign") >= 1


def test_s_time_finds_every_handshake_done(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    with s_server(toolbox, device.address, make_certificate(tmp_path, "ec"), "-WWW") as port:
        done = run(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", "1"], PLAIN)
    made = re.search(rb"(\d+) connections in [\d.]+s;", done.stdout)
    assert made is not None
    assert by_op(device.stat(), "ecdsa-sign") >= int(made.group(1)) > 0
