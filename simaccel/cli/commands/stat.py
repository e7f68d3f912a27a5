"""`simaccel stat`: shows what a running device does."""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from simaccel.bridge import NoDeviceError, read_report
from simaccel.bridge.remote import UNREADABLE, unreadable_report
from simaccel.bridge.users import user_name
from simaccel.cli.client_counts import told_text
from simaccel.cli.exits import FAILED, OK, complain
from simaccel.cli.socket_option import Socket, address_of

WATCH_S = 1.0

CLIENTS = 32
"""How many clients are shown: first those with the most in flight, then those that have done the most."""


def command(
    socket: Socket = "",
    watch: Annotated[bool, typer.Option("--watch", help="Show all of it again every second, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> Callable[[], int]:
    """Show what a running device does: operations, latencies, clients."""
    address = address_of(socket)
    return lambda: _stat(address, watch, json)


def _stat(address: str, watch: bool, json: bool) -> int:
    while True:
        try:
            report = read_report(address)
            text = json_format.dumps(report) if json else "\n".join(lines(report))
        except NoDeviceError as error:
            complain(str(error))
            return FAILED
        except UNREADABLE:
            complain(unreadable_report(address))
            return FAILED
        print(text, flush=True)
        if not watch:
            return OK
        time.sleep(WATCH_S)
        if not json:
            print()


def lines(report: dict[str, Any]) -> Iterator[str]:
    """A report for people."""
    yield f"device      {report['address']}, up {report['uptime_ns'] / 1e9:,.0f} s, seed {report['seed']}"
    for name in (
        "submitted",
        "completed",
        "failed",
        "in_flight",
        "orphaned",
        "dropped",
        "ring_full",
        "interrupts",
        "wakes",
    ):
        yield f"{name.replace('_', ' '):12}{report[name]:,}"
    for fault in report["injected"]:
        yield f"fault       {fault}"
    for kind, count in report["faults"].items():
        yield f"  {kind:18}{count:>12,} met"
    if report["by_op"]:
        yield "operations"
    for op, count in report["by_op"].items():
        yield f"  {op:18}{count:>12,}"
    if report["short"]["service"]["max_ns"]:
        yield f"at once     {_times(report['short'])}"
    for number, worker in enumerate(report["workers"], 1):
        yield f"worker {number:<5}{_times(worker)}, busy {worker['utilisation']:.0%}{_late(worker)}"
    yield f"wake        {_wake(report.get('wake'))}"
    for refused in report["refused_users"]:
        yield (
            f"refused     user {user_name(refused['uid'])}, {refused['times']:,} times, last pid {refused['pid']}: "
            f"{refused['why']}"
        )
    if report["refused_unlisted"]:
        yield f"refused     {report['refused_unlisted']:,} times users that are not listed"
    if report["told"]:
        yield f"clients say {told_text(report['told'])}"
    clients = sorted(report["clients"], key=lambda client: (-client["in_flight"], -client["completed"]))
    for client in clients[:CLIENTS]:
        yield (
            f"client      pid {client['pid']}, ring of {client['entries']}, {client['keys']} keys, "
            f"{client['completed']:,} completed, {client['failed']:,} failed, {client['in_flight']} in flight"
        )
        if client["told"]:
            yield f"  says      {told_text(client['told'])}"
        if client.get("wake"):
            yield f"  wake      {_wake(client['wake'])}"
    if len(clients) > CLIENTS:
        yield f"clients     {len(clients) - CLIENTS:,} more, {len(clients):,} in all: --json lists them"


def _late(worker: dict[str, Any]) -> str:
    return f", {worker['late']:,} later than the model says" if worker["late"] else ""


def _wake(wake: dict[str, Any] | None) -> str:
    """How soon programs take what is complete."""
    if wake is None:
        return "unknown: no program has told how soon it takes what is complete"
    return f"p50 {wake['p50_ns'] / 1e3:,.0f} us p99 {wake['p99_ns'] / 1e3:,.0f} us"


def _times(of: dict[str, Any]) -> str:
    return ", ".join(
        f"{what} p50 {of[what]['p50_ns'] / 1e3:,.0f} us p99 {of[what]['p99_ns'] / 1e3:,.0f} us"
        for what in ("queue", "service")
    )
