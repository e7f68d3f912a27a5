"""The report of a device process as metrics for Prometheus. Each metric is one figure of `simaccel stat --json`.

Names and units follow Prometheus's rules: times are in seconds, a name ends in `_total` if its value only grows, and
nothing is abbreviated. Every metric has the label `device`, the address of the device's socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from simaccel.bridge.device.latencies import BOUNDS_NS

Report = dict[str, Any]

COUNTERS = {
    "submitted": ("simaccel_requests_submitted", "Requests that were fetched from the rings of clients."),
    "completed": ("simaccel_requests_completed", "Requests that completed with a result."),
    "failed": ("simaccel_requests_failed", "Requests that completed with an error."),
    "orphaned": ("simaccel_requests_orphaned", "Completions for clients that had gone."),
    "spurious": ("simaccel_completions_spurious", "Second completions of a request, which a fault made."),
    "dropped": ("simaccel_requests_dropped", "Requests that were not done, because their client had gone."),
    "interrupts": ("simaccel_interrupts", "Interrupts of clients."),
    "wakes": ("simaccel_device_wakes", "How often the device slept and was woken."),
    "batches": ("simaccel_batches", "Batches of requests that the cores fetched."),
    "ring_full": ("simaccel_ring_full", "Visits to a client whose ring was full."),
    "connects": ("simaccel_client_connects", "Clients that were let in."),
    "refused": ("simaccel_client_refusals", "Connections that were refused."),
    "violations": ("simaccel_client_violations", "Clients that were dropped because they broke the protocol."),
}
"""Keys of the report that only grow, with name and help. The name gets `_total`."""

GAUGES = {
    "in_flight": ("simaccel_requests_in_flight", "Requests that were fetched and have not completed."),
    "waiting": ("simaccel_requests_waiting", "Requests that no core has yet."),
    "connected": ("simaccel_clients", "Clients that are connected."),
}
"""Keys of the report that go up and down, with name and help."""

HISTOGRAMS = {
    "queue": ("simaccel_queue_seconds", "From the submit to the start of the work."),
    "service": ("simaccel_service_seconds", "From the start of the work to the completion."),
}


class DeviceCollector(Collector):
    """Makes metrics of the report, at each scrape. `read` gives the report; any thread may scrape."""

    def __init__(self, read: Callable[[], Report]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The metrics of this moment."""
        return metrics_of(self._read())


def registry_of(read: Callable[[], Report]) -> CollectorRegistry:
    """A registry with the metrics of one device and nothing else."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DeviceCollector(read))
    return registry


def metrics_of(report: Report) -> Iterator[Metric]:
    """All metrics of a report."""
    device = report["address"]
    for key, (name, text) in COUNTERS.items():
        yield _counter(name, text, {(): report[key]}, device)
    for key, (name, text) in GAUGES.items():
        gauge = GaugeMetricFamily(name, text, labels=["device"])
        gauge.add_metric([device], report[key])
        yield gauge
    yield _counter("simaccel_operations", "Requests that were done.", _operations(report), device, "op", "status")
    faults = {(kind,): count for kind, count in report["faults"].items()}
    yield _counter("simaccel_faults", "Faults that requests met.", faults, device, "kind")
    told = {(what,): count for what, count in report["told"].items()}
    yield _counter("simaccel_client_events", "What clients count about themselves.", told, device, "event")
    yield from _workers(report, device)
    up = GaugeMetricFamily("simaccel_uptime_seconds", "How long the device has run.", labels=["device"])
    up.add_metric([device], report["uptime_ns"] / 1e9)
    yield up
    if "latencies" in report:
        yield from _histograms(report["latencies"], device)
    yield _wake_times(report["wake"], device)


def _operations(report: Report) -> dict[tuple[str, ...], int]:
    rows: dict[tuple[str, ...], int] = {}
    for op, done in report["by_op"].items():
        failed = min(done, report["failed_by_op"].get(op, 0))
        rows[op, "ok"] = done - failed
        rows[op, "failed"] = failed
    return rows


def _workers(report: Report, device: str) -> Iterator[Metric]:
    workers = list(enumerate(report["workers"]))
    busy = {(str(number),): worker["busy_ns"] / 1e9 for number, worker in workers}
    yield _counter(
        "simaccel_worker_busy_seconds", "How long each worker, or its units, worked.", busy, device, "worker"
    )
    late = {(str(number),): worker["late"] for number, worker in workers}
    yield _counter("simaccel_worker_late", "Requests later than the timing model says.", late, device, "worker")
    share = GaugeMetricFamily(
        "simaccel_worker_utilisation_ratio",
        "The share of its time that a worker has worked.",
        labels=["device", "worker"],
    )
    for number, worker in workers:
        share.add_metric([device, str(number)], worker["utilisation"])
    yield share


def _histograms(latencies: Report, device: str) -> Iterator[Metric]:
    bounds = [f"{bound / 1e9:g}" for bound in latencies["bounds_ns"]] + ["+Inf"]
    for key, (name, text) in HISTOGRAMS.items():
        family = HistogramMetricFamily(name, text, labels=["device", "op"])
        for op, row in latencies["ops"].items():
            buckets, total = [], 0
            for bound, count in zip(bounds, row[key]["counts"], strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([device, op], buckets, row[key]["sum_ns"] / 1e9)
        yield family


def _wake_times(wake: Report | None, device: str) -> Metric:
    """One histogram for all clients, because the device does not know for which operations a client was woken."""
    family = HistogramMetricFamily(
        "simaccel_wake_seconds", "From a completion until its program takes it, as programs say.", labels=["device"]
    )
    if wake is not None:
        # The bounds of the report are finer, and these are among them.
        buckets = [
            (f"{bound / 1e9:g}", sum(count for _, high, count in wake["buckets"] if high is not None and high <= bound))
            for bound in BOUNDS_NS
        ]
        family.add_metric([device], [*buckets, ("+Inf", wake["samples"])], wake["sum_ns"] / 1e9)
    return family


def _counter(name: str, text: str, rows: Mapping[Any, float], device: str, *labels: str) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=["device", *labels])
    for values, value in rows.items():
        family.add_metric([device, *values], value)
    return family
