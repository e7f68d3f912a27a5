"""`simaccel check`: says whether a running program uses the device, and if not, why. Without a program, it says whether
the set-up works."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from sim import UsageError
from simaccel.cli.commands.openssl import configuration
from simaccel.cli.exits import FAILED, OK
from simaccel.cli.openssl_setup.device_answers import why_no_device
from simaccel.cli.openssl_setup.diagnosis import Diagnosis, diagnose
from simaccel.cli.openssl_setup.exec_program import environment_of_caller
from simaccel.cli.openssl_setup.provider_files import provider_for, providers
from simaccel.cli.openssl_setup.running_process import Process
from simaccel.cli.socket_option import Socket, address_of

PATIENCE_S = 60.0
TRIAL = (
    "req",
    "-x509",
    "-newkey",
    "ed25519",
    "-nodes",
    "-subj",
    "/CN=simaccel",
    "-keyout",
    os.devnull,
    "-out",
    os.devnull,
)
"""A command that makes one signature: on the device, if the provider is loaded and preferred."""

_AT_EXIT = re.compile(r"^simaccel\[\d+\]: at exit: (\d+) offloaded", flags=re.MULTILINE)


def command(
    pid: Annotated[
        int,
        typer.Option(
            "--pid", min=0, metavar="PID", show_default=False, help="A running process. [default: check the set-up]"
        ),
    ] = 0,
    socket: Socket = "",
) -> Callable[[], int]:
    """Say whether a running program uses the device, or why not.

    Without --pid, say whether the set-up works.
    """
    address = address_of(socket)
    if pid:
        process = Process.of(pid)
        return lambda: _print(diagnose(process))
    return lambda: _print(_set_up(address))


def _print(verdict: Diagnosis) -> int:
    for name, text in verdict.facts:
        print(f"{name:12}{text}")
    print(verdict.sentence)
    return OK if verdict.good else FAILED


def _set_up(address: str) -> Diagnosis:
    facts: list[tuple[str, str]] = [("provider", f"{path}, for {libcrypto}") for libcrypto, path in providers().items()]
    try:
        module = provider_for("openssl")
    except UsageError as error:
        return Diagnosis(facts, False, f"the set-up does not work: {error}")
    facts.append(("openssl", f"uses {module}"))
    why = why_no_device(address)
    facts.append(("device", why or f"answers at {address}"))
    if why:
        return Diagnosis(facts, False, f"the set-up does not work: {why}")
    why = _why_the_trial_fails(module, address)
    facts.append(("trial", why or "openssl made a signature on the device"))
    if why:
        return Diagnosis(facts, False, f"the set-up does not work: {why}")
    return Diagnosis(facts, True, "the set-up works: simaccel openssl -- PROGRAM runs a program with it")


def _why_the_trial_fails(module: Path, address: str) -> str | None:
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as config:
        config.write(configuration(module, address))
        config.flush()
        environment = environment_of_caller() | {"OPENSSL_CONF": config.name, "SIMACCEL_TRACE": "yes"}
        environment["SIMACCEL_SOCKET"] = address
        try:
            done = subprocess.run(
                ["openssl", *TRIAL], env=environment, capture_output=True, timeout=PATIENCE_S, check=False
            )
        except FileNotFoundError:
            return "there is no openssl program to try"
        except subprocess.TimeoutExpired:
            return f"openssl made no signature within {PATIENCE_S:.0f} s"
    said = done.stderr.decode(errors="replace")
    counted = _AT_EXIT.search(said)
    if counted and int(counted[1]):
        return None
    told = "; ".join(_ours(said)) or "it printed no reason"
    if counted:
        return f"openssl made the signature in software: {told}"
    return f"openssl did not load the provider: {told}"


def _ours(said: str) -> Iterator[str]:
    """The lines that the provider printed, without its counts. If there are none, the first lines of openssl."""
    lines = [line for line in said.splitlines() if line.strip() and not set(line) <= set(".+*- ")]
    ours = [line.partition(": ")[2] for line in lines if line.startswith("simaccel")]
    yield from [line for line in ours if not line.startswith("at exit: ")] or lines[:3]
