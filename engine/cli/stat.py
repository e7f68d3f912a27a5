"""`simaccel stat`: what a running device does."""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from engine.cli.exits import FAILED, OK, complain
from sim.bridge import NoDeviceError, default_address, read_report

WATCH_S = 1.0


def command(
    socket: Annotated[str, typer.Option(help="Where the device is. [default: $SIMACCEL_SOCKET or @simaccel]")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Again every second, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> Callable[[], int]:
    """Show what a running device does: operations, latencies, clients."""
    return lambda: _stat(socket or default_address(), watch, json)


def _stat(address: str, watch: bool, json: bool) -> int:
    while True:
        try:
            report = read_report(address)
        except NoDeviceError as error:
            complain(str(error))
            return FAILED
        print(json_format.dumps(report) if json else "\n".join(lines(report)), flush=True)
        if not watch:
            return OK
        time.sleep(WATCH_S)
        if not json:
            print()


def lines(report: dict[str, Any]) -> Iterator[str]:
    """A report for people."""
    yield f"device      {report['address']}, up {report['uptime_ns'] / 1e9:,.0f} s, seed {report['seed']}"
    for name in ("submitted", "completed", "failed", "in_flight", "orphaned", "interrupts", "wakes"):
        yield f"{name.replace('_', ' '):12}{report[name]:,}"
    for op, count in report["by_op"].items():
        yield f"  {op:18}{count:>12,}"
    for number, worker in enumerate(report["workers"], 1):
        times = ", ".join(
            f"{what} p50 {worker[what]['p50_ns'] / 1e3:,.0f} us p99 {worker[what]['p99_ns'] / 1e3:,.0f} us"
            for what in ("queue", "service")
        )
        yield f"worker {number:<5}{times}, busy {worker['utilisation']:.0%}"
    for client in report["clients"]:
        yield (
            f"client      pid {client['pid']}, ring of {client['entries']}, {client['keys']} keys, "
            f"{client['completed']:,} completed, {client['failed']:,} failed, {client['in_flight']} in flight"
        )
