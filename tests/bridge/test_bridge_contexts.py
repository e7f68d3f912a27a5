"""The provider works in the application's library context, with its other providers and its random generators."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bridge.device import DeviceProcess
from tests.bridge.tls import PLAIN
from tests.bridge.toolbox import PREFIX, Toolbox, by_op, run
from tests.keys import rsa_bytes

_LEGACY = ("default = default_section\n", "default = default_section\nlegacy = default_section\n")


@pytest.mark.parametrize("digest", ["md4", "ripemd160", "md5", "sha256"])
def test_digests_of_other_providers_can_be_signed(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, digest: str
) -> None:
    """MD4 is the legacy provider's. PKCS #1 v1.5 is deterministic, so that signatures can be compared."""
    key, public, message = (str(tmp_path / name) for name in ("key", "public", "message"))
    Path(message).write_bytes(b"message")
    Path(key).write_bytes(rsa_bytes())
    run(["openssl", "rsa", "-in", key, "-pubout", "-out", public], PLAIN)
    ours, without = tmp_path / "ours.cnf", tmp_path / "without.cnf"
    text = toolbox.config.read_text().replace(*_LEGACY)
    ours.write_text(text)
    without.write_text(text.replace("simaccel = simaccel_section\n", ""))
    signed = {}
    for config in (ours, without):
        environment = toolbox.environment(device.address) | {"OPENSSL_CONF": str(config)}
        command = ["openssl", "dgst", f"-{digest}", "-sign", key, message]
        signed[config] = run(command, environment).stdout
        signature = tmp_path / "signature"
        signature.write_bytes(signed[config])
        verify = ["openssl", "dgst", f"-{digest}", "-verify", public, "-signature", str(signature), message]
        assert run(verify, environment).stdout == b"Verified OK\n"
    assert signed[ours] == signed[without]
    assert by_op(device.stat(), "rsa-sign") == (digest == "sha256")


def test_random_generators_are_those_of_the_application(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    """A generator of tests without entropy makes no keys, with the provider or without it."""
    config = tmp_path / "random.cnf"
    text = toolbox.config.read_text().replace("[init]\n", "[init]\nrandom = random_section\n")
    config.write_text(text + "[random_section]\nrandom = TEST-RAND\n")
    for kind in (["-algorithm", "EC", "-pkeyopt", "group:P-256"], ["-algorithm", "X25519"]):
        command = ["openssl", "genpkey", *kind, "-out", str(tmp_path / "key")]
        environment = toolbox.environment(device.address)
        assert run(command, environment, check=False).returncode == 0
        assert run(command, environment | {"OPENSSL_CONF": str(config)}, check=False).returncode == 1


def test_default_need_not_be_in_the_list(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    """It is activated with ours, in the same context."""
    config = tmp_path / "alone.cnf"
    config.write_text(toolbox.config.read_text().replace("default = default_section\n", ""))
    environment = toolbox.environment(device.address) | {"OPENSSL_CONF": str(config)}
    message, key = tmp_path / "message", tmp_path / "key"
    message.write_bytes(b"message")
    run(["openssl", "genrsa", "-out", str(key), "2048"], environment)
    run(
        ["openssl", "dgst", "-sha256", "-sign", str(key), "-out", str(tmp_path / "signature"), str(message)],
        environment,
    )
    assert by_op(device.stat(), "rsa-sign") == 1


_SEVERAL = r"""
#include <openssl/evp.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <string.h>

/* Signs in a library context of its own with the provider in it, and verifies with one that has none. */
static int round_trip(const char *module, int in_order)
{
    OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new(), *other = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *first, *second;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char signature[256], message[1000];
    size_t length = sizeof(signature);
    int good;
    EVP_PKEY *key;

    memset(message, 'x', sizeof(message));
    first = OSSL_PROVIDER_load(libctx, in_order ? module : "default");
    second = OSSL_PROVIDER_load(libctx, in_order ? "default" : module);
    EVP_set_default_properties(libctx, "?simaccel.offload=yes");
    key = EVP_PKEY_Q_keygen(libctx, NULL, "EC", "P-256");
    good = first != NULL && second != NULL && key != NULL &&
           EVP_DigestSignInit_ex(ctx, NULL, "SHA256", libctx, NULL, key, NULL) > 0 &&
           EVP_DigestSign(ctx, signature, &length, message, sizeof(message)) > 0;
    EVP_MD_CTX_free(ctx);
    ctx = EVP_MD_CTX_new();
    good = good && EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", libctx, "provider=default", key, NULL) > 0 &&
           EVP_DigestVerify(ctx, signature, length, message, sizeof(message)) > 0;
    if (!good)
        ERR_print_errors_fp(stderr);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    OSSL_PROVIDER_unload(in_order ? first : second);
    OSSL_PROVIDER_unload(in_order ? second : first);
    OSSL_LIB_CTX_free(libctx);
    OSSL_LIB_CTX_free(other);
    return good;
}

int main(int count, char **arguments)
{
    int good = 0;

    (void)count;
    for (int i = 0; i < 4; i++)
        good += round_trip(arguments[1], i % 2);
    printf("%d\n", good);
    return 0;
}
"""


@pytest.mark.parametrize("static", [False, True], ids=["our-libcrypto", "one-of-its-own"])
def test_library_contexts_come_and_go(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, static: bool) -> None:
    """Also in a program that brings its own libcrypto, whose contexts ours can't read."""
    if static and PREFIX:
        pytest.skip("the build for tests has no static libcrypto")
    binary, source = tmp_path / "several", tmp_path / "several.c"
    source.write_text(_SEVERAL)
    toolbox.compile(binary, source, static=static)
    environment = toolbox.environment(device.address)
    del environment["OPENSSL_CONF"]
    assert run([str(binary), str(toolbox.provider)], environment).stdout == b"4\n"
    assert by_op(device.stat(), "ecdsa-sign") == 4


def test_nothing_is_used_after_it_is_freed(sanitized: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    """The same under AddressSanitizer, with its check for leaks."""
    binary, source = tmp_path / "several", tmp_path / "several.c"
    source.write_text(_SEVERAL)
    sanitized.compile(binary, source, sanitize=True)
    environment = sanitized.environment(device.address)
    del environment["OPENSSL_CONF"]
    assert run([str(binary), str(sanitized.provider)], environment).stdout == b"4\n"
    assert by_op(device.stat(), "ecdsa-sign") == 4
