"""`simaccel serve --metrics`: what Prometheus scrapes is what `simaccel stat --json` says, and is well formed."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from simaccel.bridge.device.latencies import BOUNDS_NS
from simaccel.bridge.wire import WAKE_BOUNDS_NS
from simaccel.cli import watching_options
from simaccel.watching.metrics import COUNTERS, GAUGES
from tests.bridge.commands import simaccel
from tests.bridge.conftest import require
from tests.bridge.device import fresh_address
from tests.cli.cli import Cli
from tests.limits import WAIT_S
from tests.waiting import wait_until
from tests.watching.watched import Watched, get

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "docs" / "grafana" / "simaccel.json"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    """By name and labels, without the label `device`."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("device").startswith("@simaccel-test-")
            found[sample.name, tuple(sorted(labels.items()))] = sample.value
    return found


@pytest.fixture(scope="module")
def scraped(watched: Watched) -> tuple[str, dict[str, Any]]:
    """The metrics and the report of a device that has worked, has met a fault, and is idle."""
    watched.work(40, "sha256")
    simaccel("inject", "fail:op=echo,every=2", address=watched.address)
    watched.work(10, "echo")
    simaccel("inject", "--clear", address=watched.address)
    watched.work(30, "sha384")
    wait_until(lambda: not watched.stat()["connected"])  # it hears a little later that its client has gone
    status, headers, body = get(watched.urls["metrics"])
    report = json.loads(simaccel("stat", "--json", address=watched.address).stdout)
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
    return body.decode(), report


def test_the_metrics_are_those_of_the_report_to_the_number(scraped: tuple[str, dict[str, Any]]) -> None:
    found, report = samples(scraped[0]), scraped[1]
    for key, (name, _) in COUNTERS.items():
        if key != "wakes":  # asking for the report has woken the device once more
            assert found[f"{name}_total", ()] == report[key], key
    for key, (name, _) in GAUGES.items():
        assert found[name, ()] == report[key], key
    operations = {dict(labels)["op"]: 0.0 for name, labels in found if name == "simaccel_operations_total"}
    for (name, labels), value in found.items():
        if name == "simaccel_operations_total":
            operations[dict(labels)["op"]] += value
    assert operations == report["by_op"] == {"echo": 10, "sha256": 40, "sha384": 30}
    assert found["simaccel_operations_total", (("op", "echo"), ("status", "failed"))] == 5
    assert report["failed_by_op"] == {"echo": 5}
    assert found["simaccel_faults_total", (("kind", "fail"),)] == report["faults"]["fail"] == 5
    worker = report["workers"][0]
    assert found["simaccel_worker_busy_seconds_total", (("worker", "0"),)] == worker["busy_ns"] / 1e9
    assert found["simaccel_worker_late_total", (("worker", "0"),)] == worker["late"]


def test_the_histograms_are_those_of_the_report(scraped: tuple[str, dict[str, Any]]) -> None:
    found, latencies = samples(scraped[0]), scraped[1]["latencies"]
    assert set(latencies["ops"]) == {"echo", "sha256", "sha384"}
    for op, row in latencies["ops"].items():
        for key in ("queue", "service"):
            name, labels = f"simaccel_{key}_seconds", (("op", op),)
            assert found[f"{name}_count", labels] == sum(row[key]["counts"]) > 0
            assert found[f"{name}_sum", labels] == pytest.approx(row[key]["sum_ns"] / 1e9)
            below = sum(row[key]["counts"][:10])
            bound = f"{latencies['bounds_ns'][9] / 1e9:g}"
            assert found[f"{name}_bucket", (("le", str(float(bound))), ("op", op))] == below


def test_the_wake_times_are_those_of_the_report(scraped: tuple[str, dict[str, Any]]) -> None:
    found, wake = samples(scraped[0]), scraped[1]["wake"]
    assert found["simaccel_wake_seconds_count", ()] == wake["samples"] > 0
    assert found["simaccel_wake_seconds_sum", ()] == pytest.approx(wake["sum_ns"] / 1e9)
    buckets = {
        round(float(labels[0][1]) * 1e9): value
        for (name, labels), value in found.items()
        if name == "simaccel_wake_seconds_bucket" and labels[0][1] != "+Inf"
    }
    ends = [(high_ns, count) for _, high_ns, count in wake["buckets"] if high_ns is not None]
    assert buckets == {bound_ns: sum(count for ns, count in ends if ns <= bound_ns) for bound_ns in BOUNDS_NS}
    assert set(BOUNDS_NS) <= set(WAKE_BOUNDS_NS)


def test_promtool_finds_nothing_wrong(scraped: tuple[str, dict[str, Any]]) -> None:
    require("promtool")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=scraped[0], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_dashboard_asks_for_metrics_that_there_are(scraped: tuple[str, dict[str, Any]]) -> None:
    """Grafana itself is not in the registries that we can reach."""
    names = {name for name, _ in samples(scraped[0])}
    board = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    expressions += [
        variable["query"]["query"] for variable in board["templating"]["list"] if variable["name"] == "device"
    ]
    asked = {name for expression in expressions for name in re.findall(r"\bsimaccel_\w+", expression)}
    assert asked <= names
    histograms = {f"simaccel_{which}_seconds_bucket" for which in ("queue", "service", "wake")}
    assert {"simaccel_operations_total", "simaccel_ring_full_total", *histograms} <= asked
    cells = [panel["gridPos"] for panel in board["panels"]]
    assert all(cell["x"] + cell["w"] <= 24 for cell in cells)
    assert len({(cell["x"], cell["y"]) for cell in cells}) == len(cells)


def test_another_path_has_no_metrics(watched: Watched) -> None:
    status, _, body = get(watched.urls["metrics"].removesuffix("metrics"))
    assert (status, body) == (404, b"the metrics are at /metrics\n")


def test_a_scraper_that_says_nothing_keeps_nobody_waiting(watched: Watched) -> None:
    host, port = watched.urls["metrics"].removeprefix("http://").removesuffix("/metrics").split(":")
    with socket.create_connection((host, int(port)), WAIT_S) as silent:
        silent.send(b"GET /metr")
        assert get(watched.urls["metrics"])[0] == 200
        watched.work(1)


def test_without_metrics_there_are_no_histograms() -> None:
    with Watched() as device:
        device.work(2)
        assert "latencies" not in device.stat()


def test_a_port_that_is_taken_is_one_line(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = cli("serve", "--socket", fresh_address(), "--metrics", f"127.0.0.1:{port}")
    assert (told.code, told.out) == (2, b"")
    why = f"--metrics 127.0.0.1:{port}: Address already in use; give an address of this machine with a free port"
    assert told.errors == [f"simaccel: {why}"]


@pytest.mark.parametrize("text", ["", "host", "127.0.0.1:", ":http", "1:65536", "256.0.0.1:80", "192.0.2.1:0"])
def test_an_address_that_can_not_be_is_one_line(cli: Cli, text: str) -> None:
    told = cli("serve", "--socket", fresh_address(), "--metrics", text)
    assert (told.code, told.out, len(told.errors)) == (2, b"", 1)
    assert f"--metrics {text}" in told.errors[0]


def test_an_extra_that_is_missing_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_options, "find_spec", lambda name: None)
    told = cli("serve", "--socket", fresh_address(), "--metrics", "127.0.0.1:0")
    assert told.code == 2
    assert told.errors == ["simaccel: --metrics: it needs prometheus_client; pip install 'simaccel[metrics]'"]


def test_without_watching_nothing_of_it_is_imported() -> None:
    script = (
        "import sys, simaccel.cli.commands.serve, simaccel.bridge.device.server; "
        "print(*{name.partition('.')[0] for name in sys.modules} & {'prometheus_client', 'starlette', 'uvicorn'})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
