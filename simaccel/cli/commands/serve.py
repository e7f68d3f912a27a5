"""`simaccel serve`: the device as a process of its own, for OpenSSL programs with the provider."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import typer

from sim import UsageError
from simaccel.bridge import Server
from simaccel.bridge.device.admission import Refused
from simaccel.bridge.device.stop_signals import stopped_by_signals
from simaccel.bridge.users import group_id, user_id
from simaccel.cli.device_group import DeviceGroup, group_addresses, option_words
from simaccel.cli.device_options import DEPTH, AllowUser, Depth, Faults, Latency, Seed, Units, Workers
from simaccel.cli.exits import OK
from simaccel.cli.fd_limit import allow_many_clients
from simaccel.cli.model_lateness import LateWatch
from simaccel.cli.number_options import number, whole_number
from simaccel.cli.service_log import LogJson, LogLevel, ServiceLog
from simaccel.cli.service_manager import ServiceManager
from simaccel.cli.socket_option import Socket, address_of
from simaccel.cli.watching_options import Metrics, Page, PageToken, TraceFile, Watching, request_trace

LONGEST_S = 1_000_000


def command(
    context: typer.Context,
    socket: Socket = "",
    devices: Annotated[
        int,
        typer.Option(
            parser=whole_number,
            metavar="N",
            help="How many devices to run, at ADDRESS-1 to ADDRESS-N: a process each, restarted if it ends.",
        ),
    ] = 1,
    depth: Depth = DEPTH,
    units: Units = None,
    workers: Workers = 1,
    latency: Latency = None,
    fault: Faults = None,
    seed: Seed = None,
    allow_user: AllowUser = None,
    group: Annotated[
        str | None, typer.Option(metavar="GROUP", help="A group whose members may connect. It gets the socket's file.")
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="Permissions of the socket's file. [default: 0600; 0660 with --group; 0666 with --allow-user]",
        ),
    ] = None,
    stats_interval: Annotated[
        float, typer.Option(parser=number, metavar="X", help="Seconds between lines of statistics; 0 for none.")
    ] = 0,
    metrics: Metrics = None,
    page: Page = None,
    page_token: PageToken = None,
    trace: TraceFile = None,
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> Callable[[], int]:
    """Run a device as a process, until SIGTERM or Ctrl-C."""
    if not 0 <= stats_interval <= LONGEST_S:
        raise UsageError(f"--stats-interval {stats_interval}: use 0 to {LONGEST_S:,} seconds")
    address = address_of(socket)
    log = ServiceLog(address, log_level, log_json)
    if devices != 1:
        group_of_devices = DeviceGroup(group_addresses(address, devices), option_words(context), log)
        address = f"{address}-1"
    options: dict[str, Any] = {
        "address": address,
        "depth": depth,
        "workers": workers,
        "units": units,
        "latency": latency,
        "seed": seed,
        "faults": fault or (),
        "uids": tuple(user_id(user) for user in allow_user or ()),
        "gid": None if group is None else group_id(group),
        "mode": None if mode is None else _mode(mode),
        "on_refused": lambda refused: _log_refused(log, refused),
    }
    watching = Watching(metrics, page, page_token)
    traced = None
    try:
        traced = None if trace is None else request_trace(trace, lambda message: log.error("trace", message))
        server = Server(**options, latencies=watching.wanted, trace=traced)
    except BaseException:
        watching.close()
        if traced is not None:
            traced.close()
        raise
    if devices != 1:
        server.close()  # it has checked the options
        watching.close()
        return group_of_devices.run
    return lambda: _serve(server, log, watching, stats_interval, latency)


def _mode(text: str) -> int:
    """An octal number, such as 0660."""
    if not 1 <= len(text) <= 4 or text.strip("01234567") or (mode := int(text, 8)) > 0o777:
        raise UsageError(f"--mode {text}: use an octal number from 0 to 0777, such as 0660")
    return mode


def _log_refused(log: ServiceLog, refused: Refused) -> None:
    # Only the first refusal of a user is told. `simaccel stat` counts the others.
    log.warning("refused", str(refused), pid=refused.pid, uid=refused.uid)


def _serve(server: Server, log: ServiceLog, watching: Watching, interval_s: float, latency: str | None) -> int:
    allow_many_clients()
    manager = ServiceManager()
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(server, log, interval_s, ended), daemon=True)
    late = LateWatch(server.late, latency, lambda text: log.warning("late", text)) if latency is not None else None
    try:
        with stopped_by_signals(server.stop), server, ExitStack() as watched:
            serving = f"serving at {server.address}"
            log.announce("serving", serving)
            watched.enter_context(watching.of(server, lambda line: log.announce("watching", line)))
            if interval_s:
                teller.start()
            if late is not None:
                late.start()
            manager.ready(serving)
            server.serve()
            manager.stopping()
            ended.set()
            if late is not None:
                late.end()
            if interval_s:
                teller.join()
            _log_statistics(log, server.report())
    finally:
        watching.close()
        ended.set()
    return OK


def _tell(server: Server, log: ServiceLog, interval_s: float, ended: threading.Event) -> None:
    while not ended.wait(interval_s):
        _log_statistics(log, server.report())


def _log_statistics(log: ServiceLog, report: dict[str, Any]) -> None:
    by_op, clients = report["by_op"], len(report["clients"])
    operations = ", ".join(f"{op} {count:,}" for op, count in by_op.items()) or "nothing yet"
    log.info(
        "statistics",
        f"{clients} clients, {report['in_flight']} in flight, {report['failed']:,} failed: {operations}",
        clients=clients,
        in_flight=report["in_flight"],
        failed=report["failed"],
        by_op=by_op,
    )
