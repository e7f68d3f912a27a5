"""`simaccel run --rate`: an open load through the real engine, in virtual and in real time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.modes import NOTIFY
from simaccel.load import Card, Poisson, parse_mix, simulate
from tests.cli.cli import Cli


def ways(target: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(target.read_text())["ways"]
    return found


@pytest.mark.parametrize("handshake", ["x25519", "tls13-ecdsa-p256"])
def test_in_virtual_time_it_is_what_the_simulation_says(cli: Cli, tmp_path: Path, handshake: str) -> None:
    """The same seed gives the same arrivals and the same services: jobs and engine add nothing."""
    target = tmp_path / "out.json"
    latency = "exponential:100us+uniform:5us,20us"
    run = cli(
        *("run", "--virtual", "--rate", "6k/s", "--count", "400", "--handshake", handshake, "--latency", latency),
        *(
            "--units",
            "3",
            "--depth",
            "4",
            "--seed",
            "5",
            "--notify",
            "callback",
            "--notify",
            "fd",
            "--json",
            str(target),
        ),
    )
    assert run.code == 0, run.errors
    card, mix = Card.of(latency, 3, 4), parse_mix(f"{handshake}=1")
    wanted = simulate(Poisson(6_000), mix, card, count=400, seed=5)
    for way in ways(target):
        total, load = way["total"], way["load"]
        assert way["verified"] == wanted.operations
        for name in ("mean_ns", "p50_ns", "p99_ns", "p999_ns"):
            assert total[name] == getattr(wanted.total, name), name
        assert load["by_transaction"][handshake] == {name: total[name] for name in load["late"]}
        assert load["mean_inside"] == pytest.approx(wanted.mean_inside)
        assert load["late"]["p999_ns"] == 0
    assert run.text.count(f"{handshake} from its intended arrival: mean ") == 2


def test_every_way_in_real_time(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    mix = "rsa-sign=1,ecdsa-sign=1,tls13-rsa2048=1,aes-gcm:1kB=3,rsa-decrypt=1"
    run = cli("run", "--rate", "2k/s", "--for", "50ms", "--mix", mix, "--notify", "all", "--json", str(target))
    assert run.code == 0, run.errors
    assert [way["notify"] for way in ways(target)] == list(NOTIFY)
    for way in ways(target):
        assert way["verified"] == way["total"]["operations"] > way["load"]["transactions"] > 50
        assert not way["failed"]
        assert not way["wrong"]
        assert 0 < way["total"]["p50_ns"] <= way["total"]["p99_ns"] <= way["total"]["p999_ns"]


def test_latency_counts_from_the_intended_arrival(cli: Cli, tmp_path: Path) -> None:
    """Ten that arrive at once, of which one job does one after the other: the last waits for all before it."""
    arrivals, target = tmp_path / "arrivals.csv", tmp_path / "out.json"
    arrivals.write_text("at_us\n" + "0\n" * 10 + "100000\n")
    run = cli(
        *("run", "--virtual", "--arrivals", f"csv:{arrivals}", "--jobs", "1", "--op", "null", "--notify", "fd"),
        *("--latency", "fixed:100us", "--json", str(target)),
    )
    assert run.code == 0, run.errors
    (way,) = ways(target)
    assert way["total"]["operations"] == 11
    assert way["total"]["p50_ns"] == 500_000
    assert way["total"]["mean_ns"] == (sum(range(1, 11)) + 1) * 100_000 // 11
    assert way["by_op"]["null"]["queue"]["p999_ns"] == 0  # they waited for the application, not for the device


def test_what_fails_and_what_is_wrong_is_told(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    run = cli(
        *("run", "--virtual", "--rate", "1k/s", "--count", "100", "--handshake", "sha256:100B+x25519"),
        *("--fault", "corrupt:op=sha256,nth=3", "--fault", "fail:op=sha256,nth=7", "--latency", "fixed:5us"),
        *("--notify", "fd", "--json", str(target)),
    )
    assert run.code == 1
    (way,) = ways(target)
    assert (way["wrong"], way["failed"], way["load"]["transactions"]) == (1, 1, 99)
    assert way["verified"] == 99 + 99 - 1
    assert len([line for line in run.errors if "sha256:100B, by fd" in line]) == 2


@pytest.mark.parametrize(
    ("arguments", "value", "cure"),
    [
        (["--for", "1s"], "--for 1s", "add --rate"),
        (["--mix", "rsa-sign=1"], "--mix rsa-sign=1", "add --rate"),
        (["--handshake", "tls13-rsa2048"], "--handshake tls13-rsa2048", "add --rate"),
        (["--arrivals", "constant"], "--arrivals constant", "add --rate"),
        (["--rate", "50k"], "'50k'", "such as 800/s"),
        (["--rate", "1/s", "--for", "soon"], "soon", "such as 50us"),
        (["--rate", "1/s", "--for", "0s"], "--for 0s", "more than 0"),
        (["--rate", "1M/s", "--for", "60s"], "60,000,000 arrivals", "a shorter time"),
        (["--rate", "1/s", "--mix", ""], "mix ''", "it is empty"),
        (["--rate", "1/s", "--mix", "a=1"], "'a'", "there are tls13-rsa2048"),
        (["--rate", "1/s", "--mix", "x25519", "--handshake", "x25519"], "--handshake x25519", "give one"),
        (["--rate", "1/s", "--mix", "x25519", "--op", "sha256"], "--op sha256", "give one"),
        (["--rate", "1/s", "--arrivals", "csv:/no/such"], "rate of 1/s", "leave one out"),
        (["--arrivals", "csv:/no/such"], "/no/such", "No such file"),
        (["--rate", "1/s", "--digests", "/etc"], "--digests", "leave --digests out"),
        (["--rate", "1/s", "--mix", "x25519=1.2345678,null", "--trace", "/tmp/x"], "--trace /tmp/x", "FILE.pftrace"),
        (["--rate", "1/s", "--op", "sha256", "/etc"], "paths", "leave paths out"),
        (["--rate", "30k/s", "--latency", "fixed:50us", "--mix", "x25519"], "at most 20,000/s", "more units"),
        (["--rate", "3k/s", "--latency", "fixed:0s+fixed:1ms", "--jobs", "2"], "in flight 2", "allow more"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else None,
)
def test_bad_input(cli: Cli, arguments: list[str], value: str, cure: str) -> None:
    run = cli("run", *arguments)
    assert (run.code, run.out) == (2, b"")
    (line,) = run.errors
    assert value in line
    assert cure in line
