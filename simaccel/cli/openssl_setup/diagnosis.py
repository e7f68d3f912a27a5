"""Turns what can be seen of a process into a sentence: that it uses the device, or why it does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simaccel.bridge import NoDeviceError, read_report
from simaccel.bridge.remote import UNREADABLE, unreadable_report
from simaccel.cli.client_counts import told_text
from simaccel.cli.openssl_setup.elf import libcrypto_of
from simaccel.cli.openssl_setup.running_process import Process, Report

_MODULE_LINE = re.compile(r"^\s*module\s*=\s*(.*?)\s*$", flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result: facts by name, whether all is well, and the conclusion in a sentence."""

    facts: list[tuple[str, str]]
    good: bool
    sentence: str


def diagnose(process: Process, ask: Callable[[str], dict[str, Any]] = read_report) -> Diagnosis:
    """Whether that process uses a device. `ask` gets a device's report by its address, or raises NoDeviceError."""
    facts = [("process", f"{process.pid} ({process.name})")]
    facts += [("libcrypto", path) for path in process.libcryptos]
    if process.module is not None:
        facts.append(("provider", process.module))
    report = process.report
    if report is not None and not process.inherited:
        facts.append(("state", f"{report.state} for {report.age_s:,.0f} s: {report.text}"))
        counts = process.counts()
        if counts is not None:
            facts.append(("counts", f"{counts['offloaded']:,} on a device, {told_text(counts)}"))
    if report is not None and report.state == "connected" and not process.inherited:
        return _connected(process, report, facts, ask)
    return Diagnosis(facts, False, f"it does not use the device: {_why_not(process)}")


def _why_not(process: Process) -> str:
    report = process.report
    if report is None or (process.module is None and report.state != "refused"):
        return _why_no_report(process)
    if process.inherited:
        return (
            f"it was forked by a process {report.pid} that had the provider ({report.state}: {report.text}), and no "
            "operation has come to the provider since"
        )
    return {
        "refused": f"the provider did not load, because a setting can't be used: {report.text}",
        "loaded": (
            "the provider is loaded, but no operation has come to it. Either the program has not used a private key "
            "yet, or it prefers another provider, by its own properties or its own list of providers; HAProxy needs "
            "ssl-propquery ?simaccel.offload=yes"
        ),
        "unsupported": f"all operations so far were of kinds that are never sent to a device ({report.text})",
        "failed": report.text,
        "lost": f"{report.text}; its next operation connects again, if a device is there by then",
    }.get(report.state, f"the provider says {report.state}: {report.text}")


def _why_no_report(process: Process) -> str:
    if process.module is not None:
        return (
            "it has loaded the provider, but there is no report: the process has no fds or no memory left (see "
            f"/proc/{process.pid}/limits), or the provider is an older one"
        )
    if not process.libcryptos:
        return "it has loaded no libcrypto (it does not use OpenSSL, has not loaded it yet, or contains it)"
    config = process.environment("OPENSSL_CONF")
    if config is None:
        return (
            "it has not loaded the provider, and its environment has no OPENSSL_CONF: start it with simaccel openssl "
            "-- PROGRAM, or put what simaccel openssl --config prints into the openssl.cnf that it reads"
        )
    text = process.file(config)
    if text is None:
        return f"it has not loaded the provider: it can't read OPENSSL_CONF={config}"
    named = [value for value in _MODULE_LINE.findall(text) if "simaccel" in value]
    if not named:
        return f"it has not loaded the provider: OPENSSL_CONF={config} does not name it"
    wanted = libcrypto_of(Path(named[0]))
    if wanted is not None and not any(_serves(wanted, path) for path in process.libcryptos):
        return (
            f"it has not loaded the provider, which is for {wanted}, but has another libcrypto: give simaccel openssl "
            "--libcrypto its name, for which a provider must have been built"
        )
    return (
        f"it has not loaded the provider that OPENSSL_CONF={config} names: it has not used OpenSSL yet, reads no "
        "configuration (a program may ask for that, and set-user-id programs read none), or the provider failed to load"
    )


def _serves(wanted: str, path: str) -> bool:
    """Whether a provider that is linked to `wanted`, such as libcrypto.so.3, works with the library at that path. The
    library may have another name: in the wheels of Python packages it is something like libcrypto-3a1b.so.3."""
    return path.removesuffix(" (deleted)").rpartition(".so.")[2].split(".")[0] == wanted.rpartition(".so.")[2]


def _connected(
    process: Process, report: Report, facts: list[tuple[str, str]], ask: Callable[[str], dict[str, Any]]
) -> Diagnosis:
    address = report.text
    try:
        told = ask(address)
    except NoDeviceError as error:
        if address.startswith("@") and not process.in_our_network:
            sentence = f"it is connected to the device at {address}, which is in a network namespace of its own"
            return Diagnosis(facts, True, sentence)
        return Diagnosis(facts, False, f"it was connected, and will notice the end at its next operation: {error}")
    try:
        return _as_the_device_says(process, address, facts, told["clients"])
    except UNREADABLE:
        return Diagnosis(facts, True, f"it is connected, but {unreadable_report(address)}")


def _as_the_device_says(
    process: Process, address: str, facts: list[tuple[str, str]], clients: list[dict[str, Any]]
) -> Diagnosis:
    mine = [client for client in clients if client["pid"] in process.pids]
    if not mine and any(client["pid"] == 0 for client in clients):
        # A device in a pid namespace of its own can't see the pids of processes outside of it.
        sentence = (
            f"it is connected to the device at {address}, which runs in a container and can't tell its clients apart"
        )
        return Diagnosis(facts, True, sentence)
    if not mine:
        sentence = (
            f"it was connected, and will notice the end at its next operation: another device runs at {address} now"
        )
        return Diagnosis(facts, False, sentence)
    (client, *_) = mine
    done = f"{client['completed']:,} operations completed, {client['failed']:,} failed, {client['in_flight']} in flight"
    told, way = told_text(client["told"]), _way(client["told"])
    more = [("device", f"{address}: {done}"), *([("since then", told)] if client["told"] else [])]
    return Diagnosis(facts + more, True, f"it uses the device at {address}{way}")


def _way(told: dict[str, int]) -> str:
    pauses, blocked = told.get("pauses", 0), told.get("blocked", 0)
    if pauses and blocked:
        return ": some of its jobs pause, and some operations block a thread"
    if pauses:
        return ": its jobs pause"
    return ": it blocks, because its operations do not run in async jobs" if blocked else ""
