"""Providers and engines: ours passes, one of ours with a planted fault fails by the rule that is to find it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simaccel.certify.accelerators.driver_process import FLAGS, SOURCES, build
from simaccel.certify.accelerators.rules import RULES
from tests import forked
from tests.bridge.conftest import require
from tests.bridge.toolbox import PATH, PREFIX, ROOT, Toolbox, run
from tests.effort import pick, some
from tests.shared import once

NAMES = [rule.name for rule in RULES]
FULL = os.environ.get("SIMACCEL_CERTIFY") == "full"
OPERATIONS = 10_000 if FULL else pick(100, 400, 400)
LIMIT_S = 200
SOON_S = 2
"""For what a planted fault prevents."""

DASYNC = os.environ.get("SIMACCEL_DASYNC", "")
"""The library of OpenSSL 3's dasync, which Debian does not ship: cc -shared -fPIC engines/e_dasync.c -lcrypto."""

pytestmark = pytest.mark.skipif(bool(PREFIX), reason="the driver is compiled for the system's libcrypto")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A provider of our own for SHA2-256."""
    require("cc")

    def build(folder: Path) -> None:
        flags = [
            "-std=gnu11",
            "-O1",
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-Wl,-z,nodelete",
            "-Wl,-Bsymbolic",
        ]
        sources = map(str, sorted(Path(__file__).with_name("provider").glob("*.c")))
        words = ["cc", *flags, "-o", str(folder / "planted.so"), *sources, "-lcrypto", "-pthread"]
        run(words, {"PATH": "/usr/bin:/bin"})

    return once(tmp_path_factory, "planted", build) / "planted.so"


@dataclass(frozen=True, slots=True)
class Certify:
    """Runs `simaccel certify`. Each run compiles the driver, so there is a compiler that has compiled it already."""

    compiler: Path
    """The folder of that `cc`."""

    def __call__(
        self, kind: str, path: Path | str, *rules: str, limit_s: int = LIMIT_S, **variables: str
    ) -> tuple[int, dict[str, dict[str, Any]]]:
        """The exit code, and the verdicts by rule."""
        options = ["--json", "-", "--limit", str(limit_s), "--operations", str(OPERATIONS)]
        options += [word for rule in rules for word in ("--scenario", rule)]
        done = forked.run(
            *("simaccel", "certify", kind, str(path), *options),
            environment={"PATH": f"{self.compiler}:{PATH}", "PYTHONPATH": str(ROOT), **variables},
        )
        assert done.stdout, done.stderr.decode()
        return done.returncode, {verdict["name"]: verdict for verdict in json.loads(done.stdout)["verdicts"]}


@pytest.fixture(scope="session")
def certify(tmp_path_factory: pytest.TempPathFactory) -> Certify:
    require("cc")

    def compile_driver(folder: Path) -> None:
        driver, script = build(folder), folder / "cc"
        script.write_text(f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nexec cp {driver} "$2"\n')
        script.chmod(0o755)

    return Certify(once(tmp_path_factory, "driver", compile_driver))


def _outcomes(verdicts: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: verdict["outcome"] for name, verdict in verdicts.items()}


def test_the_driver_needs_no_engines() -> None:
    """OpenSSL 4 has none."""
    require("cc")
    for flags in ([], ["-DOPENSSL_NO_ENGINE"]):
        words = ["cc", *FLAGS, "-Werror", "-Wno-deprecated-declarations", "-fsyntax-only", *flags, *SOURCES]
        run(words, {"PATH": "/usr/bin:/bin"})


def test_the_driver_has_exactly_these_rules() -> None:
    found = [
        name for source in SOURCES for name in re.findall(r'^RULE\("(.+?)"', Path(source).read_text(), re.MULTILINE)
    ]
    assert sorted(found) == sorted(NAMES)


def test_our_provider_passes(certify: Certify, toolbox: Toolbox) -> None:
    rules = some(NAMES, 5)
    code, verdicts = certify("provider", toolbox.provider, *rules)
    assert _outcomes(verdicts) == dict.fromkeys(rules, "passed"), verdicts
    assert code == 0
    assert "x25519 rsa-sign" in verdicts["results"]["seen"]


@pytest.mark.in_ci
def test_a_right_provider_of_somebody_else_passes(certify: Certify, planted: Path) -> None:
    code, verdicts = certify("provider", planted)
    assert _outcomes(verdicts) == dict.fromkeys(NAMES, "passed"), verdicts
    assert code == 0


@pytest.mark.parametrize("rule", some(NAMES, 4))
def test_a_planted_fault_is_caught_by_its_rule(certify: Certify, planted: Path, rule: str) -> None:
    code, verdicts = certify("provider", planted, rule, limit_s=SOON_S, PLANTED=rule)
    assert (code, _outcomes(verdicts)) == (1, {rule: "failed"}), verdicts
    assert f"--scenario {rule}" in verdicts[rule]["again"]


@pytest.mark.skipif(not DASYNC, reason="SIMACCEL_DASYNC does not name OpenSSL's dasync engine")
def test_dasync(certify: Certify) -> None:
    code, verdicts = certify("engine", DASYNC, limit_s=20)
    failed = {name for name, outcome in _outcomes(verdicts).items() if outcome != "passed"}
    assert failed == {"status", "fork", "unload"}, verdicts
    assert code == 1


def test_what_offers_none_of_the_operations(certify: Certify, toolbox: Toolbox) -> None:
    """OpenSSL's own legacy provider: nothing fails, and nothing passes."""
    modules = run(["openssl", "version", "-m"], {"PATH": PATH}).stdout.decode().partition('"')[2].rpartition('"')[0]
    code, verdicts = certify("provider", Path(modules) / "legacy.so", "results", "pauses")
    assert _outcomes(verdicts) == dict.fromkeys(("results", "pauses"), "does not apply")
    assert code == 1


@pytest.mark.parametrize("kind", ["provider", "engine"])
def test_what_libcrypto_can_not_load(certify: Certify, tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other.so"
    other.write_bytes(b"no library")
    code, verdicts = certify(kind, other, "results")
    assert code == 1
    assert "libcrypto can't load it" in verdicts["results"]["seen"]


@pytest.mark.parametrize(
    ("words", "value", "cure"),
    [
        ([], "give the path of one provider", "./my-provider.so"),
        (["/no/such/file.so"], "/no/such/file.so", "give the path"),
        (["x", "--scenario", "ful"], "'ful'", "did you mean full?"),
        (["x", "--limit", "0"], "--limit 0", "1 to 3,600"),
        (["x", "--operations", "0"], "--operations 0", "1 to"),
    ],
)
def test_wrong_usage(words: list[str], value: str, cure: str) -> None:
    environment = {"PATH": PATH, "PYTHONPATH": str(ROOT)}
    done = forked.run("simaccel", "certify", "provider", *words, environment=environment)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (2, b"")
    assert value in line
    assert cure in line
