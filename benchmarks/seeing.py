"""What it costs to be seen: `python -m benchmarks.seeing [ROUNDS [OPERATIONS]]`. Needs gcc.

There are two measurements. The first compares a device process with metrics and page, which a scraper and a browser ask
all the time, with one that has neither. They take turns, with 64 null operations in flight, and the figure is the ratio
of their throughputs. The second compares a run in virtual time that writes a trace for Perfetto with one that does not.
Its figures are the processor time of an event, beside that of a call of a Python function in the same run, and how much
the memory grows. On a machine that is not idle the ratios still hold, but the absolute figures do not.
"""

from __future__ import annotations

import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import process_time
from typing import NamedTuple

from benchmarks.bridge.processes import ROOT, compile_null_client, cpu_s
from engine import Engine, Scheduler
from sim import Accelerator, Request, VirtualClock
from simaccel.bridge import read_report
from simaccel.tracing.perfetto import PerfettoTrace

IN_FLIGHT = 64
ROUND_S = 1.0
IDLE_S = 10.0
SCRAPE_S = 5.0
"""Prometheus asks every 15 s or every minute, as it is usually set up."""
TOKEN = "benchmark"


def main() -> None:
    """Print both."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    operations = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    _watched(rounds)
    _traced(operations)


# A device that is watched


def _watched(rounds: int) -> None:
    provider = ROOT / "provider"
    subprocess.run(["make", "-s", "-C", str(provider)], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        client = compile_null_client(Path(folder) / "null_client")
        plain = stack.enter_context(_device())
        watched = stack.enter_context(
            _device("--metrics", "127.0.0.1:0", "--page", "127.0.0.1:0", "--page-token", TOKEN)
        )
        idle_ms = _idle_ms(watched.pid)
        stack.enter_context(_watchers(*watched.urls))
        idle_seen_ms = _idle_ms(watched.pid)
        found = []
        for number in range(rounds):
            order = (plain, watched) if number % 2 else (watched, plain)
            took = {device.address: _cpu_ns(client, device) for device in order}
            found.append(took[plain.address] / took[watched.address])
        print(
            f"an idle device with metrics and page: {idle_ms:.2f} ms of a core each second; "
            f"with a browser and the scrapes: {idle_seen_ms:.2f} ms"
        )
        low, *_, high = statistics.quantiles(found, n=4)
        print(
            f"with metrics, page, a browser and a scrape each {SCRAPE_S:.0f} s: {statistics.median(found):.3f} of the "
            f"throughput without, by the processor time of the device for an operation, at {IN_FLIGHT} in flight "
            f"({rounds} pairs of rounds, quartiles {low:.3f} and {high:.3f})"
        )


class _Device(NamedTuple):
    address: str
    pid: int
    urls: list[str]


def _cpu_ns(client: Path, device: _Device) -> float:
    """The device's processor time for one operation. On a machine that is not idle, the rate would say nothing."""
    before_s, done = cpu_s(device.pid), _done(device)
    subprocess.run([str(client), device.address, str(IN_FLIGHT), str(ROUND_S)], capture_output=True, check=True)
    return (cpu_s(device.pid) - before_s) / (_done(device) - done) * 1e9


def _idle_ms(pid: int) -> float:
    """ms of a core that a process takes in a second in which nobody asks it for anything."""
    before_ns = _threads_ns(pid)
    time.sleep(IDLE_S)
    return (_threads_ns(pid) - before_ns) / 1e6 / IDLE_S


def _threads_ns(pid: int) -> int:
    """What its threads took. The sum of ticks in /proc/PID/stat would be too coarse."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _done(device: _Device) -> int:
    return int(read_report(device.address)["by_op"].get("null", 0))


@contextmanager
def _device(*words: str) -> Iterator[_Device]:
    address = f"@simaccel-bench-{os.getpid()}-{len(words)}"
    command = [sys.executable, "-m", "simaccel", "serve", "--socket", address, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            urls = [process.stdout.readline().split()[-1] for word in words if word in ("--metrics", "--page")]
            yield _Device(address, process.pid, urls)
        finally:
            process.terminate()


@contextmanager
def _watchers(metrics: str, page: str) -> Iterator[None]:
    """A browser that listens to the events, and a scraper. They run in this process, which only waits otherwise."""
    ended = threading.Event()
    host, _, port = page.removeprefix("http://").partition("/")[0].partition(":")
    browser = socket.create_connection((host, int(port)))
    browser.sendall(f"GET /events?token={TOKEN} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())

    def listen() -> None:
        while browser.recv(1 << 20):
            pass

    def scrape() -> None:
        while not ended.wait(SCRAPE_S):
            with urllib.request.urlopen(metrics) as answer:
                answer.read()

    threads = [threading.Thread(target=listen), threading.Thread(target=scrape)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        browser.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        browser.close()


# A run that is traced


def _traced(operations: int) -> None:
    rounds = 5
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.pftrace"
        event_ns, told_ns, call_ns = [], [], []
        events = 0
        for _ in range(rounds):
            bare_s = _run(operations // rounds, None)
            with PerfettoTrace(file) as trace:
                traced_s = _run(operations // rounds, trace)
            events = trace.file.events
            event_ns.append((traced_s - bare_s) / events * 1e9)
            told_ns.append((_run(operations // rounds, _Silent()) - bare_s) / events * 1e9)
            call_ns.append(_call_ns())
        event, call = statistics.median(event_ns), statistics.median(call_ns)
        print(
            f"an event of a trace: {event:,.0f} ns of the processor, {event / call:.1f} times a call of a Python "
            f"function ({call:.0f} ns); {events * rounds / operations:.1f} events an operation, "
            f"{file.stat().st_size / events:.0f} bytes an event"
        )
        print(
            f"of that, to tell a trace of the event, if the trace draws nothing: {statistics.median(told_ns):,.0f} ns"
        )
        print(f"to draw and write an event, without telling of it: {_drawing_ns(file, operations):,.0f} ns")
        with PerfettoTrace(file) as trace:
            _run(operations // 10, trace)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            _run(operations, trace)
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        more = (after - before) / 1024
        print(f"{operations:,} operations more: {trace.file.events:,} events in all, {more:.1f} MiB more memory")


class _Silent:
    """A trace that draws nothing. It costs the slower path of the device, and the wakers that tell of events."""

    def number(self, request: object) -> None: ...

    def add(self, time_ns: int, what: str, request: object = None, *details: object) -> None: ...

    def identify(self, kind: str, thing: object, name: str) -> int:
        return 0


def _run(operations: int, trace: PerfettoTrace | _Silent | None) -> float:
    """The processor time, in s, of this many null operations by callback, 64 at a time, in virtual time."""
    clock = VirtualClock()
    with (
        Accelerator(256, 4, "fixed:10us", clock=clock, seed=1, trace=trace) as accel,
        Engine(accel, "callback", trace=trace) as engine,
        Scheduler() as scheduler,
    ):

        async def body() -> None:
            for _ in range(operations // IN_FLIGHT):
                await engine.aio.call("null")

        for _ in range(IN_FLIGHT):
            scheduler.spawn(body)
        before_s = process_time()
        scheduler.run()
        return process_time() - before_s


def _drawing_ns(file: Path, operations: int) -> float:
    """The processor time, in ns, of one event, if the events of operations come without the operations."""
    requests = [Request("null", b"") for _ in range(IN_FLIGHT)]
    trace = PerfettoTrace(file)
    jobs = [trace.identify("job", request, "body") for request in map(_Thing, requests)]
    before_s = process_time()
    for serial in range(operations):
        request, job, now_ns = requests[serial % IN_FLIGHT], jobs[serial % IN_FLIGHT], serial * 1_000
        trace.number(request)
        trace.add(now_ns, "submit", request, "null", 0, 0)
        trace.add(now_ns, "pause", request, job, job, True)
        trace.add(now_ns, "fetch", request)
        trace.add(now_ns, "start", request, "at", now_ns, "unit", serial % 4, "for", 900)
        trace.add(now_ns + 900, "complete", request, "ok")
        trace.add(now_ns + 900, "interrupt")
        trace.add(now_ns + 900, "wake", request)
        trace.add(now_ns + 900, "woken", request, job)
        trace.add(now_ns + 900, "resume", request, job, True)
    trace.close()
    return (process_time() - before_s) / trace.file.events * 1e9


class _Thing:
    """Something that can be referred to weakly, as a job can."""

    def __init__(self, of: object) -> None:
        self.of = of


def _call_ns(count: int = 200_000) -> float:
    """ns of the processor for a call of a Python function that does nothing, with the loop around it."""

    def nothing(first: int, second: int) -> None: ...

    before_s = process_time()
    for _ in range(count):
        nothing(1, 2)
    return (process_time() - before_s) / count * 1e9


if __name__ == "__main__":
    main()
