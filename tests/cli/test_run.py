"""`simaccel run` on generated data: all ways, all operations, all verified, and what it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.modes import NOTIFY
from simaccel.cli.workload.software import MAKERS
from tests.cli.cli import Cli, child


def test_default_is_the_main_job(cli: Cli) -> None:
    run = cli("run")
    assert (run.code, run.errors) == (0, [])
    assert re.findall(r"^by (\w+), real time: [\d,]+ operations/s, utilisation \d+ %$", run.text, re.M) == [
        "fd",
        "callback",
        "poll",
    ]
    assert run.text.count("all 2,000 results verified") == 3
    for op in ("sha256", "aes-gcm-encrypt", "ecdsa-sign", "rsa-sign"):
        assert len(re.findall(rf"^{op} +500 ", run.text, re.M)) == 3
    assert run.text.count("2,000 pauses, 0 EAGAINs, 2,000 wakes, 0 spurious wakes") == 3
    assert re.match(r"simaccel \S+, seed \d+\n", run.text)


@pytest.mark.parametrize("contract", ["qat", "strict", "dasync"])
def test_every_way_and_contract(cli: Cli, contract: str) -> None:
    run = cli("run", "--notify", "all", "--contract", contract, "--count", "40", "--jobs", "8", "--op", "sha256")
    assert run.code == 0, run.errors
    assert re.findall(r"^by (\w+)", run.text, re.M) == list(NOTIFY)
    assert run.text.count("all 40 results verified") == 5


def test_with_assistance(cli: Cli) -> None:
    run = cli("run", "--assist", "--notify", "all", "--count", "200", "--jobs", "8", "--json", "-")
    assert run.code == 0, run.errors
    written = json.loads(run.text)
    assert (written["ok"], written["options"]["assist"]) == (True, True)


def test_every_operation(cli: Cli) -> None:
    ops = [argument for op in MAKERS for argument in ("--op", op)]
    run = cli("run", *ops, "--count", str(2 * len(MAKERS)), "--notify", "callback")
    assert run.code == 0, run.errors
    assert f"all {2 * len(MAKERS)} results verified" in run.text


def test_an_operation_given_twice_comes_twice_as_often(cli: Cli) -> None:
    run = cli("run", "--op", "sha256", "--op", "null", "--op", "sha256", "--count", "30", "--notify", "fd")
    assert re.search(r"^sha256 +20 ", run.text, re.M)
    assert re.search(r"^null +10 ", run.text, re.M)


def test_full_ring_shows(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    arguments = ("--depth", "2", "--jobs", "16", "--count", "100", "--latency", "fixed:20us", "--json", str(target))
    run = cli("run", *arguments, "--notify", "callback", "--op", "null")
    assert run.code == 0, run.errors
    (way,) = json.loads(target.read_text())["ways"]
    assert way["engine"]["eagains"] >= 14  # of 16 jobs, 2 find a slot
    assert way["device"]["high_water"] == 2
    assert "waited for a slot of the ring: p50 " in run.text


def test_json_holds_all_that_is_printed(cli: Cli) -> None:
    run = cli("run", "--json", "-", "--count", "20", "--jobs", "3", "--seed", "5", "--latency", "preset:qat-dh895xcc")
    assert run.code == 0
    document = json.loads(run.out)
    assert document["seed"] == 5
    assert document["ok"] is True
    assert document["options"]["jobs"] == 3
    assert [way["notify"] for way in document["ways"]] == ["fd", "callback", "poll"]
    for way in document["ways"]:
        assert way["verified"] == way["engine"]["operations"] == way["total"]["operations"] == 20
        assert way["by_op"].keys() == {"sha256", "aes-gcm-encrypt", "ecdsa-sign", "rsa-sign"}
        # The preset's figure, to the ns: in its 999 us a unit does one signature, 64 us later it completes.
        assert way["by_op"]["rsa-sign"]["service"]["p50_ns"] == 999_000 + 64_000
        assert 0 < way["utilisation"] <= 1
        assert way["total"]["bytes"] == document["ways"][0]["total"]["bytes"]
    assert "seed 5" in run.err.decode()  # the tables make room for the JSON


def test_equal_seeds_give_equal_work_and_unequal_ones_do_not(cli: Cli) -> None:
    def sizes(seed: int) -> list[int]:
        run = cli("run", "--json", "-", "--count", "40", "--notify", "poll", "--op", "echo", "--seed", str(seed))
        return [way["total"]["bytes"] for way in json.loads(run.out)["ways"]]

    assert sizes(1) == sizes(1)
    assert sizes(1) != sizes(2)


def test_a_seed_is_chosen_and_can_be_given_again(cli: Cli) -> None:
    def seed(*arguments: str) -> str:
        found = re.search(r"seed (\d+)", cli("run", "--count", "1", "--notify", "fd", "--op", "null", *arguments).text)
        assert found is not None
        return found[1]

    first, second = seed(), seed()
    assert first != second
    assert seed("--seed", first) == first


def test_rounds_are_one_run(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simaccel.cli.workload.work.ROUND_OPERATIONS", 7)
    run = cli("run", "--count", "50", "--notify", "fd", "--op", "sha256", "--jobs", "4")
    assert run.code == 0
    assert "all 50 results verified" in run.text


def test_as_a_user_runs_it() -> None:
    run = child("run", "--count", "60", "--notify", "all")
    assert (run.code, run.errors) == (0, [])
    assert run.text.count("all 60 results verified") == 5
