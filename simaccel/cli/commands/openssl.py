"""`simaccel openssl`: runs a program with the provider set up, or prints the configuration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from sim import UsageError
from simaccel.bridge import Server
from simaccel.cli.device_options import DEPTH, Depth, Faults, Latency, Seed, Units, Workers
from simaccel.cli.exits import NO_DEVICE, OK, complain, unable_to_run, why_the_system_refused
from simaccel.cli.openssl_setup.device_answers import why_no_device
from simaccel.cli.openssl_setup.exec_program import become, environment_of_caller
from simaccel.cli.openssl_setup.family import is_descendant
from simaccel.cli.openssl_setup.private_device import device_can_not_start, private_address, run_with_device
from simaccel.cli.openssl_setup.provider_files import provider_for
from simaccel.cli.openssl_setup.supervised import Supervised
from simaccel.cli.output_files import check_writable
from simaccel.cli.shell_quoting import quoted as quoted_name
from simaccel.cli.socket_option import Socket, address_of
from simaccel.cli.watching_options import TraceFile, request_trace

CONFIG = """\
openssl_conf = simaccel_init
[simaccel_init]
providers = simaccel_providers
alg_section = simaccel_algorithms
[simaccel_algorithms]
default_properties = ?simaccel.offload=yes
[simaccel_providers]
simaccel = simaccel_section
default = simaccel_default_section
[simaccel_section]
module = {module}
socket = {socket}
{more}activate = 1
[simaccel_default_section]
activate = 1
"""


OPTIONS = {"depth": DEPTH, "units": None, "workers": 1, "latency": None, "seed": None}
"""The options of a private device, with their defaults."""

_SPECIAL = frozenset("\\#$;'\"` ")


def command(
    program: Annotated[
        list[str] | None, typer.Argument(metavar="PROGRAM", help="After --: the program to run, and its arguments.")
    ] = None,
    socket: Socket = "",
    module: Annotated[bool, typer.Option("--module", help="Print the path of the provider.")] = False,
    config: Annotated[bool, typer.Option("--config", help="Print an openssl.cnf that loads the provider.")] = False,
    libcrypto: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The libcrypto that the provider is for, such as libcrypto.so.4. [default: the program's]",
        ),
    ] = None,
    require_device: Annotated[
        bool,
        typer.Option(
            "--require-device",
            help=f"Exit with code {NO_DEVICE} if no device answers, instead of printing a warning. With --device: also "
            "if the program did nothing on it.",
        ),
    ] = False,
    device: Annotated[
        bool,
        typer.Option("--device", help="Start a device for the program alone. It ends with the program."),
    ] = False,
    depth: Depth = DEPTH,
    units: Units = None,
    workers: Workers = 1,
    latency: Latency = None,
    fault: Faults = None,
    seed: Seed = None,
    trace: TraceFile = None,
    stats_json: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write what the device of --device did to this file, as simaccel stat --json."
        ),
    ] = None,
) -> Callable[[], int]:
    """Run a program with the provider, or print its configuration.

    For example: simaccel openssl --device -- openssl speed -elapsed -async_jobs 8 rsa2048
    """
    if module + config + bool(program) != 1:
        raise UsageError("give one of these three: a program after --, or --module, or --config")
    if require_device and not program:
        raise UsageError("--require-device needs a program after --")
    path = provider_for(program[0] if program else None, libcrypto)
    options = {"depth": depth, "units": units, "workers": workers, "latency": latency, "seed": seed}
    if device:
        return _on_private_device(
            program, path, socket, options | {"faults": fault or ()}, trace, require_device, stats_json
        )
    given = [name for name, value in options.items() if value not in (None, OPTIONS[name])]
    given += ["fault"] * bool(fault) + ["trace"] * (trace is not None) + ["stats-json"] * (stats_json is not None)
    if given:
        raise UsageError(f"--{given[0]} is for the device that --device starts: give --device as well")
    address = address_of(socket)
    text = configuration(path, address)
    if program:
        return lambda: _run(program, text, socket, address, require_device)
    return lambda: _print(text.rstrip() if config else str(path))


def _on_private_device(
    program: list[str] | None,
    module: Path,
    socket: str,
    options: dict[str, Any],
    trace: str | None,
    require_device: bool,
    stats_json: str | None,
) -> Callable[[], int]:
    if not program:
        raise UsageError("--device needs a program after --")
    if socket:
        raise UsageError(f"--socket {socket}: a device of --device has an address of its own; give one of the two")
    if stats_json is not None:
        check_writable("--stats-json", stats_json)
    try:
        return _started(program, module, options, trace, require_device, stats_json)
    except (OSError, RuntimeError) as error:
        code = device_can_not_start(program[0], error)
        return lambda: code


def _started(
    program: list[str],
    module: Path,
    options: dict[str, Any],
    trace: str | None,
    require_device: bool,
    stats_json: str | None,
) -> Callable[[], int]:
    """Fork the program, which waits, and open its device. The function that is returned lets both run.

    Raises OSError if one of them can't start.
    """
    address = private_address()
    with ExitStack() as opened:
        config = _written(configuration(module, address))
        opened.callback(config.unlink, missing_ok=True)
        environment = environment_of_caller() | {"OPENSSL_CONF": str(config), "SIMACCEL_SOCKET": address}
        running = opened.enter_context(Supervised(program, environment))
        traced = None if trace is None else opened.enter_context(closing(request_trace(trace)))
        server = opened.enter_context(
            Server(
                address, **options, trace=traced, admit=is_descendant, on_refused=lambda refused: complain(str(refused))
            )
        )
        kept = opened.pop_all()

    def run() -> int:
        with kept:
            return run_with_device(program[0], running, server, require_device=require_device, stats_json=stats_json)

    return run


def configuration(module: Path, address: str, settings: Mapping[str, object] = MappingProxyType({})) -> str:
    """An openssl.cnf that loads the provider with these settings, and prefers it.

    Raises UsageError for a path that can't be written there.
    """
    more = "".join(f"{name} = {quoted(str(value))}\n" for name, value in settings.items())
    return CONFIG.format(module=quoted(str(module)), socket=quoted(address), more=more)


def quoted(value: str) -> str:
    """The value for an openssl.cnf, with #, $ and the like escaped. Raises UsageError if it can't be written there."""
    if not value.isprintable():
        raise UsageError(f"{value!r} can't be written in an openssl.cnf; use a name of printable characters")
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in value)


def _print(text: str) -> int:
    print(text)
    return OK


def _run(program: list[str], config: str, socket: str, address: str, require_device: bool) -> int:
    why = why_no_device(address)
    if why is not None and require_device:
        complain(f"{quoted_name(program[0])} was not started: {why}")
        return NO_DEVICE
    if why is not None:
        complain(f"warning: {quoted_name(program[0])} starts without a device: {why}")
    try:
        path = _written(config)
    except OSError as error:
        complain(f"{quoted_name(program[0])} was not started: {why_the_system_refused(error)}")
        return NO_DEVICE
    environment = environment_of_caller() | {"OPENSSL_CONF": str(path)}
    if socket:
        environment["SIMACCEL_SOCKET"] = socket
    try:
        become(program, environment)
    except OSError as error:
        return unable_to_run(program[0], error)


def _written(config: str) -> Path:
    """Write the configuration to a file and return its path. The file stays, because a program may read it again.

    All users may read it, because the program may turn into another one.
    """
    folder = Path(tempfile.gettempdir()) / f"simaccel-{os.geteuid()}"
    folder.mkdir(exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise UsageError(f"{folder} belongs to somebody else: remove it, or set TMPDIR")
    folder.chmod(0o755)
    path = folder / f"openssl-{sha256(config.encode()).hexdigest()[:16]}.cnf"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
            file.write(config)
            os.fchmod(file.fileno(), 0o644)
        Path(file.name).replace(path)
    return path
