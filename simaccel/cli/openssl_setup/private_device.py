"""A device for one program: `simaccel openssl --device`.

The device runs in this process, and the program as its child. Only the program and what comes from it may use the
device, whatever users they turn into. The device ends with the program.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from typing import Any

from simaccel.bridge import Server
from simaccel.cli.client_counts import told_text
from simaccel.cli.exits import NO_DEVICE, NOT_FOUND, NOT_RUNNABLE, complain, why_the_system_refused
from simaccel.cli.fd_limit import allow_many_clients
from simaccel.cli.openssl_setup.supervised import Supervised
from simaccel.cli.output_files import write_text
from simaccel.cli.shell_quoting import quoted


def device_can_not_start(program: str, error: OSError | RuntimeError) -> int:
    """Says why, and that the program was not started for this reason. Returns the exit code.

    Raises a RuntimeError again that does not mean that there is no thread.
    """
    complain(f"{quoted(program)} was not started: its device can't start: {why_the_system_refused(error)}")
    return NO_DEVICE


def private_address() -> str:
    """An abstract name that nobody else has."""
    return f"@simaccel-{os.getpid()}-{secrets.token_hex(8)}"


def run_with_device(
    program: str, running: Supervised, server: Server, *, require_device: bool, stats_json: str | None
) -> int:
    """Let the program begin, serve it until it ends, and return its exit code. Blocks. Main thread only.

    Prints on stderr what the device did, and writes that to the file `stats_json`. `require_device`: if the program
    succeeds without the device, the code is NO_DEVICE. Raises OutputError if the file can't be written.
    """
    allow_many_clients()  # the program was forked before this, and keeps its own limit
    serving = threading.Thread(target=server.serve, name="simaccel-device")
    try:
        serving.start()
    except RuntimeError as error:
        return device_can_not_start(program, error)
    try:
        running.begin()
        code = running.wait()
    finally:
        server.stop()
        serving.join()
    report = server.report()
    if report["connects"] or code not in (NOT_RUNNABLE, NOT_FOUND):
        complain(_did(report))
    left = running.left()
    if left:
        complain(
            f"{left} of the program's processes still run, and their device has ended: run the program in the "
            "foreground, or start a device with simaccel serve"
        )
    if stats_json is not None:
        write_text(stats_json, json.dumps(report, indent=2) + "\n")
    if require_device and code == 0 and not report["completed"]:
        return NO_DEVICE
    return code


def _did(report: dict[str, Any]) -> str:
    refused = f"connections refused: {report['refused']:,}" if report["refused"] else ""
    if not report["connects"]:
        why = "To find out why, run simaccel check --pid N while the program runs"
        return f"the device: {refused or 'nobody connected'}. {why}"
    operations = ", ".join(f"{op} {count:,}" for op, count in report["by_op"].items()) or "no operations"
    did = [operations, f"{report['failed']:,} failed", *([refused] if refused else [])]
    return f"the device: {'; '.join(did)}; the program: {told_text(report['told'])}"
