"""Settings of the provider: one that can't work is refused with a line that names the value and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bridge.device import DeviceProcess, fresh_address
from tests.bridge.toolbox import ALL_KINDS, Toolbox, by_op, run
from tests.keys import rsa_bytes
from tests.limits import WAIT_S

_SOCKETS = (
    "use a path, or @ and a name, of at most 107 bytes; for several devices at most 8 of them, all different, with "
    "commas between"
)
_UNUSABLE: list[tuple[dict[str, object], str]] = [
    ({"entries": "3"}, "entries = 3: use a power of two from 2 to 4096"),
    ({"entries": "8192"}, "entries = 8192: use a power of two from 2 to 4096"),
    ({"connect_ms": "0"}, "connect_ms = 0: use milliseconds from 1 to 60000"),
    ({"connect_ms": "60001"}, "connect_ms = 60001: use milliseconds from 1 to 60000"),
    ({"entries": "many"}, "entries = many: use a power of two from 2 to 4096"),
    ({"slot_bytes": "100"}, "slot_bytes = 100: use a multiple of 64 from 1024 to 1048576"),
    (
        {"slot_bytes": "1152"},
        "slot_bytes = 1152: use at least 1216, which an RSA-2048 key needs, or operations without rsa",
    ),
    (
        {"entries": "4096", "slot_bytes": "65536"},
        "entries = 4096: use at most 2048 with slot_bytes = 65536, as no client gets more than 256 MiB",
    ),
    (
        {"entries": "4096", "slot_bytes": "1048576"},
        "entries = 4096: use at most 128 with slot_bytes = 1048576, as no client gets more than 256 MiB",
    ),
    ({"fallback": "perhaps"}, "fallback = perhaps: use yes or no"),
    ({"operations": "des"}, "operations = des: use rsa, ecdsa, ed25519, x25519, mldsa, mlkem, all or none"),
    ({"socket": "@"}, f"socket = @: {_SOCKETS}"),
    ({"socket": "/" + 107 * "x"}, f"socket = /{79 * 'x'}: {_SOCKETS}"),
]


@pytest.mark.parametrize(("settings", "line"), _UNUSABLE)
def test_an_unusable_setting_is_one_clear_line(toolbox: Toolbox, settings: dict[str, object], line: str) -> None:
    address = str(settings.get("socket", fresh_address()))
    others = {name: value for name, value in settings.items() if name != "socket"}
    process = toolbox.start_jobs(address, "fd", 1, 1, ALL_KINDS, **others)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 3
    assert err.splitlines()[0] == f"simaccel: {line}"
    assert err.count("simaccel: ") == 1


@pytest.mark.parametrize(
    ("settings", "kinds", "offloaded"),
    [
        ({"slot_bytes": "1216"}, "rsa-pkcs1,rsa-pss", {"rsa-sign": 20}),
        ({"slot_bytes": "1024", "operations": "ecdsa"}, "ecdsa", {"ecdsa-sign": 20}),
        ({"slot_bytes": "131072", "entries": "1024"}, "ecdsa", {"ecdsa-sign": 20}),
    ],
)
def test_the_least_and_the_most_that_are_allowed_do_work(
    toolbox: Toolbox, device: DeviceProcess, settings: dict[str, object], kinds: str, offloaded: dict[str, int]
) -> None:
    counted = toolbox.run_jobs(device.address, "fd", 4, 20, kinds, **settings)
    assert counted["good"] == counted["offloaded"] == 20
    assert device.stat()["by_op"] == offloaded


def test_a_key_that_does_not_fit_says_what_it_needs(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    """Larger keys are software's, and the trace says which slot they would need; with that they go to the device."""
    key, message = tmp_path / "key.pem", tmp_path / "message"
    message.write_bytes(b"message")
    key.write_bytes(rsa_bytes(4096))
    command = ["openssl", "dgst", "-sha256", "-sign", str(key), "-out", str(tmp_path / "signature"), str(message)]
    done = run(command, toolbox.environment(device.address, slot_bytes="2304", trace="yes"))
    assert b"a key of 4096 bits does not fit: it needs slot_bytes = 2368\n" in done.stderr
    assert device.stat()["by_op"] == {}
    run(command, toolbox.environment(device.address, slot_bytes="2368"))
    assert by_op(device.stat(), "rsa-sign") == 1


def test_settings_of_an_earlier_load_do_not_stay(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    """Each first load in a process begins at the defaults: a section that is gone has no more say."""
    program = tmp_path / "twice.c"
    program.write_text(_TWICE)
    binary = tmp_path / "twice"
    toolbox.compile(binary, program)
    config = tmp_path / "none.cnf"
    config.write_text(toolbox.config.read_text().replace("activate = 1", "operations = none\nactivate = 1", 1))
    done = run(
        [str(binary), str(config), str(toolbox.config)],
        {name: value for name, value in toolbox.environment(device.address).items() if name != "OPENSSL_CONF"},
    )
    assert done.stdout == b"unsupported 1 offloaded 0\nunsupported 0 offloaded 1\n"


_TWICE = r"""
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdio.h>

static unsigned long counter(OSSL_PROVIDER *provider, const char *name)
{
    uint64_t value = 0;
    OSSL_PARAM asked[] = {OSSL_PARAM_construct_uint64(name, &value), OSSL_PARAM_construct_end()};

    return OSSL_PROVIDER_get_params(provider, asked) ? (unsigned long)value : 99;
}

int main(int count, char **configs)
{
    for (int i = 1; i < count; i++) {
        OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
        unsigned char digest[32] = {0}, signature[80];
        size_t length = sizeof(signature);
        OSSL_PROVIDER *provider;
        EVP_PKEY_CTX *ctx;
        EVP_PKEY *key;
        unsigned long unsupported, offloaded;

        if (!OSSL_LIB_CTX_load_config(libctx, configs[i]))
            return 2;
        provider = OSSL_PROVIDER_load(libctx, "simaccel");
        key = EVP_PKEY_Q_keygen(libctx, NULL, "EC", "P-256");
        ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, NULL);
        unsupported = counter(provider, "simaccel-unsupported");
        offloaded = counter(provider, "simaccel-offloaded");
        if (EVP_PKEY_sign_init(ctx) <= 0 || EVP_PKEY_sign(ctx, signature, &length, digest, sizeof(digest)) <= 0)
            return 3;
        printf("unsupported %lu offloaded %lu\n", counter(provider, "simaccel-unsupported") - unsupported,
               counter(provider, "simaccel-offloaded") - offloaded);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(key);
        OSSL_PROVIDER_unload(provider);
        OSSL_LIB_CTX_free(libctx);
    }
    return 0;
}
"""
