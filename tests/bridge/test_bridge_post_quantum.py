"""ML-DSA and ML-KEM with OpenSSL 3.5 and later: vectors, real programs, handshakes, settings, older devices.

They need an OpenSSL that has both. README.md says where it comes from. Handshakes run alone: a program that gets no
answer from the device within 250 ms works in software, and on a busy machine two programs that begin at once may have
to wait.
"""

from __future__ import annotations

import os
import subprocess
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.bridge.conftest import require
from tests.bridge.device import DeviceProcess
from tests.bridge.haproxy_config import ASYNC, LOGS, haproxy_config
from tests.bridge.tls import free_port, make_certificate, s_server, wait_for_port
from tests.bridge.toolbox import PREFIX, Toolbox, run
from tests.limits import WAIT_S
from tests.sim.sim_vector_files import counted
from tests.sim.test_sim_post_quantum import MLDSA, MLKEM

pytestmark = pytest.mark.xdist_group("post_quantum")

SIZES = (44, 65, 87)
GROUP = "X25519MLKEM768"


def programs_counts(device: DeviceProcess) -> dict[str, int]:
    """What was done on the device, by operation."""
    by_op: dict[str, int] = device.stat()["by_op"]
    return by_op


def plain(toolbox: Toolbox) -> dict[str, str]:
    """The environment of a program that does without the device."""
    return {"PATH": toolbox.openssl.path}


def certify(toolbox: Toolbox, environment: dict[str, str], folder: Path, size: int) -> Path:
    """A self-signed certificate with its key in one PEM file."""
    key, certificate, both = (folder / f"ml-dsa-{size}.{kind}" for kind in ("key", "crt", "pem"))
    request = ["openssl", "req", "-x509", "-newkey", f"ML-DSA-{size}", "-nodes", "-subj", "/CN=localhost"]
    run([*request, "-keyout", str(key), "-out", str(certificate)], environment)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    run(["openssl", "verify", "-CAfile", str(certificate), str(certificate)], plain(toolbox))
    return both


@pytest.mark.parametrize("size", SIZES)
def test_certificates_and_messages_are_signed_on_the_device(
    post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path, size: int
) -> None:
    ours = post_quantum.environment(device.address)
    pem = certify(post_quantum, ours, tmp_path, size)
    assert programs_counts(device) == {f"ml-dsa-{size}-sign": 1}
    message, signed = tmp_path / "message", str(tmp_path / "signed")
    message.write_bytes(b"to be signed" * 1000)
    # A digest for the signed attributes: version 3.5 has no default one for ML-DSA.
    sign = ["openssl", "cms", "-sign", "-binary", "-md", "sha512", "-signer", str(pem), "-in", str(message)]
    run([*sign, "-out", signed], ours)
    opened = run(["openssl", "cms", "-verify", "-noverify", "-in", signed], plain(post_quantum))
    assert opened.stdout == message.read_bytes()
    assert programs_counts(device) == {f"ml-dsa-{size}-sign": 2}


def test_a_key_without_its_seed_signs_in_software(post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    ours, key = post_quantum.environment(device.address), str(tmp_path / "key")
    make = ["openssl", "genpkey", "-algorithm", "ML-DSA-65", "-provparam", "ml-dsa.output_formats=priv-only"]
    run([*make, "-out", key], plain(post_quantum))
    request = ["openssl", "req", "-x509", "-key", key, "-subj", "/CN=x", "-out", str(tmp_path / "crt")]
    run(request, {**ours, "SIMACCEL_TRACE": "yes"})
    run(["openssl", "verify", "-CAfile", str(tmp_path / "crt"), str(tmp_path / "crt")], plain(post_quantum))
    assert programs_counts(device) == {}
    assert device.stat()["told"]["unsupported"] == 1


def test_decapsulation_also_of_a_damaged_ciphertext(
    post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    ours, without = post_quantum.environment(device.address), plain(post_quantum)
    key, public, sealed = (str(tmp_path / name) for name in ("key", "public", "sealed"))
    run(["openssl", "genpkey", "-algorithm", "ML-KEM-768", "-out", key], without)
    run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], without)
    encapsulate = ["openssl", "pkeyutl", "-encap", "-pubin", "-inkey", public, "-out", sealed]
    run([*encapsulate, "-secret", str(tmp_path / "secret")], without)

    def opened(environment: dict[str, str]) -> bytes:
        secret = tmp_path / "opened"
        run(["openssl", "pkeyutl", "-decap", "-inkey", key, "-in", sealed, "-secret", str(secret)], environment)
        return secret.read_bytes()

    assert opened(ours) == (tmp_path / "secret").read_bytes()
    damaged = bytearray(Path(sealed).read_bytes())
    damaged[100] ^= 1
    Path(sealed).write_bytes(damaged)
    assert opened(ours) == opened(without) != (tmp_path / "secret").read_bytes()
    assert programs_counts(device) == {"ml-kem-768-decapsulate": 2}


VECTORS = 3
"""Of each published file. `tests/sim/test_sim_post_quantum.py` has more of them, which don't need a process each."""


@pytest.mark.parametrize("size", [768, 1024])
def test_published_ciphertexts_have_the_published_secrets(
    post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path, size: int
) -> None:
    """Good ones, and damaged ones, whose secret is that of implicit rejection."""
    ours, key, sealed, secret = post_quantum.environment(device.address), *(tmp_path / name for name in "ksp")
    for record in islice(counted(f"asymmetric/MLKEM/kat_MLKEM_{size}.rsp"), VECTORS):
        key.write_bytes(pkcs8(MLKEM[size].from_seed_bytes(bytes.fromhex(record["d"] + record["z"]))))
        for ciphertext, expected in (("ct", "ss"), ("ct_n", "ss_n")):
            sealed.write_bytes(bytes.fromhex(record[ciphertext]))
            opened = ["openssl", "pkeyutl", "-decap", "-inkey", str(key), "-in", str(sealed), "-secret", str(secret)]
            run(opened, ours)
            assert secret.read_bytes().hex() == record[expected]
    assert programs_counts(device) == {f"ml-kem-{size}-decapsulate": 2 * VECTORS}


@pytest.mark.parametrize("size", SIZES)
def test_signatures_with_published_keys_verify(
    post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path, size: int
) -> None:
    """Of the published messages, with the published context strings, by the published public keys."""
    ours, key, message, signature = post_quantum.environment(device.address), *(tmp_path / name for name in "kms")
    for record in islice(counted(f"asymmetric/MLDSA/kat_MLDSA_{size}_det_pure.rsp"), VECTORS):
        private_class, public_class = MLDSA[size]
        key.write_bytes(pkcs8(private_class.from_seed_bytes(bytes.fromhex(record["xi"]))))
        message.write_bytes(bytes.fromhex(record["msg"]))
        sign = [
            "openssl",
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            str(key),
            "-in",
            str(message),
            "-out",
            str(signature),
        ]
        run([*sign, "-pkeyopt", f"hexcontext-string:{record['ctx']}"], ours)
        public = public_class.from_public_bytes(bytes.fromhex(record["pk"]))
        public.verify(signature.read_bytes(), message.read_bytes(), bytes.fromhex(record["ctx"]))
    assert programs_counts(device) == {f"ml-dsa-{size}-sign": VECTORS}


def pkcs8(key: Any) -> bytes:
    """The key with its seed, as OpenSSL reads it."""
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def handshake(toolbox: Toolbox, device: DeviceProcess, pem: Path, peer: dict[str, str], *options: str) -> bytes:
    """One handshake between `s_server -async` and `s_client -async`: what the client says of it."""
    with s_server(toolbox, device.address, pem, "-groups", GROUP) as port:
        command = ["openssl", "s_client", "-async", "-connect", f"127.0.0.1:{port}", "-CAfile", str(pem), *options]
        done = run([*command, "-verify_return_error"], peer, text=b"Q\n")
    assert GROUP.encode() in done.stdout
    return done.stdout


@pytest.mark.alone
@pytest.mark.parametrize("size", SIZES)
def test_a_handshake_pauses_on_both_sides(
    post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path, size: int
) -> None:
    """The server signs, the client decapsulates; both do X25519."""
    pem = certify(post_quantum, plain(post_quantum), tmp_path, size)
    said = handshake(post_quantum, device, pem, post_quantum.environment(device.address))
    assert f"mldsa{size}".encode() in said
    assert programs_counts(device) == {f"ml-dsa-{size}-sign": 1, "ml-kem-768-decapsulate": 1, "x25519": 2}
    told = device.stat()["told"]
    assert told["offloaded"] == 4
    assert told["pauses"] == 4 + told["spurious"]
    assert told["blocked"] == told["software"] == 0


@pytest.mark.alone
def test_the_group_works_with_an_rsa_certificate(post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    pem = make_certificate(tmp_path, "rsa")
    handshake(post_quantum, device, pem, post_quantum.environment(device.address))
    assert programs_counts(device) == {"rsa-sign": 1, "ml-kem-768-decapsulate": 1, "x25519": 2}
    assert device.stat()["told"]["pauses"] >= 4


@pytest.mark.alone
def test_a_client_in_software_agrees_with_the_server(
    post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    pem = certify(post_quantum, plain(post_quantum), tmp_path, 65)
    handshake(post_quantum, device, pem, plain(post_quantum))
    assert programs_counts(device) == {"ml-dsa-65-sign": 1, "x25519": 1}


def test_speed_pauses(post_quantum: Toolbox, device: DeviceProcess) -> None:
    speed = ["openssl", "speed", "-elapsed", "-seconds", "1", "-async_jobs", "4", "ML-DSA-44"]
    run(speed, post_quantum.environment(device.address))
    assert programs_counts(device)["ml-dsa-44-sign"] > 4
    told = device.stat()["told"]
    assert told["pauses"] > 0
    assert told["failed"] == told["software"] == 0


@pytest.mark.alone
def test_haproxy_pauses(post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    """That of Debian 13, whose OpenSSL is 3.5."""
    program = Path(post_quantum.openssl.prefix, "bin", "haproxy")
    if not program.exists():
        pytest.skip("debian_openssl.sh has made no haproxy for this OpenSSL")
    handshakes, port = 4, free_port()
    pem, config = certify(post_quantum, plain(post_quantum), tmp_path, 65), tmp_path / "haproxy.cfg"
    config.write_text(haproxy_config(port, pem, LOGS, ASYNC, timeout_s=99))
    environment = post_quantum.environment(device.address)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([str(program), "-db", "-f", str(config)], env=environment, stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        for _ in range(handshakes):
            client = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(pem), "-quiet", "-ign_eof"]
            done = run(
                [*client, "-verify_return_error", "-groups", GROUP], plain(post_quantum), text=b"GET / HTTP/1.0\n\n"
            )
            assert b"served by haproxy" in done.stdout
        assert programs_counts(device) == {"ml-dsa-65-sign": handshakes, "x25519": handshakes}
        told = device.stat()["told"]
        assert told["pauses"] == 2 * handshakes + told["spurious"]
        assert told["blocked"] == told["software"] == 0
    finally:
        process.terminate()
        process.wait(WAIT_S)


@pytest.mark.parametrize(
    ("settings", "by_op"),
    [
        ({"slot_bytes": 4736}, {"ml-dsa-65-sign": 1, "ml-dsa-87-sign": 1}),
        ({"slot_bytes": 4096}, {"ml-dsa-65-sign": 1}),
        ({"operations": "mldsa"}, {"ml-dsa-65-sign": 1, "ml-dsa-87-sign": 1}),
        ({"operations": "rsa,mlkem"}, {}),
    ],
)
def test_settings_leave_the_rest_to_software(
    post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path, settings: dict[str, object], by_op: dict[str, int]
) -> None:
    """4096 was the default of older versions: a signature by ML-DSA-87 does not fit such a slot."""
    for size in (65, 87):
        certify(post_quantum, post_quantum.environment(device.address, **settings), tmp_path, size)
    assert programs_counts(device) == by_op


@pytest.mark.parametrize("fallback", ["yes", "no"])
def test_an_older_device_leaves_it_to_software(post_quantum: Toolbox, tmp_path: Path, fallback: str) -> None:
    """It refuses keys and operations that it does not know. Without fallback that is an error, and a clear one."""
    with DeviceProcess(module="tests.bridge.older_device") as device:
        ours = post_quantum.environment(device.address, fallback=fallback)
        request = ["openssl", "req", "-x509", "-newkey", "ML-DSA-65", "-nodes", "-subj", "/CN=x"]
        done = run([*request, "-keyout", os.devnull, "-out", str(tmp_path / "crt")], ours, check=False)
        assert programs_counts(device) == {}
    if fallback == "yes":
        assert done.returncode == 0
        run(["openssl", "verify", "-CAfile", str(tmp_path / "crt"), str(tmp_path / "crt")], plain(post_quantum))
    else:
        assert done.returncode != 0
        assert b"the device does not do this operation" in done.stderr


def test_an_openssl_without_the_algorithms_gives_its_own_answer(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    """Asking for ML-DSA alone is no mistake there: then nothing is offloaded."""
    without = plain(toolbox)
    if b"ML-DSA" in run(["openssl", "list", "-signature-algorithms"], without).stdout:
        pytest.skip("this OpenSSL has ML-DSA")
    ours = toolbox.environment(device.address, operations="mldsa,mlkem")
    key = str(tmp_path / "key")
    for command in (["genpkey", "-algorithm", "ML-DSA-65"], ["genpkey", "-algorithm", "ML-KEM-768"]):
        done = [run(["openssl", *command], environment, check=False) for environment in (ours, without)]
        assert done[0].returncode == done[1].returncode != 0
        assert _reasons(done[0].stderr) == _reasons(done[1].stderr) != []
    run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", key], ours)
    assert programs_counts(device) == {}


def _reasons(errors: bytes) -> list[bytes]:
    """Without the thread's number, with which each line begins."""
    return [line.partition(b":error:")[2] for line in errors.splitlines() if b":error:" in line]


@pytest.mark.alone
@pytest.mark.skipif(bool(PREFIX), reason="there is one OpenSSL")
def test_a_provider_built_for_3_0_does_it_with_3_5(
    toolbox: Toolbox, post_quantum: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    """Both have the file name libcrypto.so.3, so a machine that is updated keeps its provider."""
    require("openssl")
    environment: dict[str, Any] = toolbox.environment(device.address) | plain(post_quantum)
    pem = certify(post_quantum, environment, tmp_path, 87)
    handshake(post_quantum, device, pem, environment)
    assert programs_counts(device) == {"ml-dsa-87-sign": 2, "ml-kem-768-decapsulate": 1, "x25519": 2}
