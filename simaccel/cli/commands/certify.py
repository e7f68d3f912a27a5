"""`simaccel certify`: puts a server through the situations in which others have failed, and judges it."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from sim import UsageError
from simaccel.bridge.users import user_id
from simaccel.certify.accelerators.driver_process import JudgedLibrary, build, certify
from simaccel.certify.accelerators.rules import Rule
from simaccel.certify.accelerators.rules import chosen as chosen_rules
from simaccel.certify.certification import Certification
from simaccel.certify.results.files import as_json, as_junit
from simaccel.certify.results.table import end, line
from simaccel.certify.results.verdict import Result
from simaccel.certify.run_folder import run_folder
from simaccel.certify.scenarios.all_scenarios import chosen
from simaccel.certify.scenarios.scenario import ServerScenario
from simaccel.certify.server_process.server import CannotStart
from simaccel.certify.target import Target, signal_named
from simaccel.cli.exits import FAILED, OK, USAGE, complain
from simaccel.cli.number_options import number, whole_number
from simaccel.cli.openssl_setup.provider_files import provider_for
from simaccel.cli.output_files import STDOUT, check_writable, write_text
from simaccel.cli.shell_quoting import quoted

KINDS = ("server", "provider", "engine")
MOST_LIMIT_S = 3600
MOST_SEED = 2**32 - 1


def command(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"What is certified: {', '.join(KINDS)}.")],
    rest: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND|PATH",
            help="After --: the server to start, and its arguments. Or the library of a provider or an engine.",
        ),
    ] = None,
    connect: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the server listens.")] = "127.0.0.1:4433",
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Play this scenario, or check this rule, alone; may be repeated."),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Print the names of all scenarios, or rules.")] = False,
    reload_signal: Annotated[
        str,
        typer.Option(metavar="SIGNAL", help="What makes the server reload, such as HUP or USR2. [default: nothing]"),
    ] = "",
    stop_signal: Annotated[str, typer.Option(metavar="SIGNAL", help="What ends it gracefully.")] = "TERM",
    client_certificate: Annotated[
        str,
        typer.Option(metavar="FILE", help="PEM file with the certificate and key of a client. [default: makes one]"),
    ] = "",
    connects: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Clients that connect at once.")
    ] = 1000,
    limit: Annotated[
        float, typer.Option(parser=number, metavar="S", help="Seconds to wait before something counts as a hang.")
    ] = 60.0,
    user: Annotated[
        list[str] | None,
        typer.Option(metavar="USER", help="A user that the server turns into, by name or uid; may be repeated."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="N", help="The seed of everything random.")
    ] = None,
    json: Annotated[str, typer.Option(metavar="FILE", help="Write the verdicts as JSON; - for standard output.")] = "",
    junit: Annotated[str, typer.Option(metavar="FILE", help="Write the verdicts as JUnit XML.")] = "",
    libcrypto: Annotated[
        str | None, typer.Option(metavar="NAME", help="The libcrypto of the server. [default: the program's]")
    ] = None,
    name: Annotated[
        str,
        typer.Option(metavar="NAME", help="The property `provider` of a provider's algorithms. [default: as the file]"),
    ] = "",
    operations: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="How many operations must leave no fd behind.")
    ] = 10_000,
) -> Callable[[], int]:
    """Put a server, a provider or an engine through the situations in which others have failed, and judge it.

    For example: simaccel certify server --connect 127.0.0.1:4433 -- ./my-server
    """
    if kind not in KINDS:
        raise UsageError(f"certify {kind}: use {' or '.join(KINDS)}")
    for option, file in (("--json", json), ("--junit", junit)):
        if file:
            check_writable(option, file)
    if kind != "server":
        rules = chosen_rules(scenario or ())
        if show:
            return lambda: _list(rules)
        if len(rest or ()) != 1:
            raise UsageError(f"give the path of one {kind}, such as ./my-{kind}.so")
        if not 1 <= limit <= MOST_LIMIT_S:
            raise UsageError(f"--limit {limit}: use 1 to {MOST_LIMIT_S:,} seconds")
        if not 1 <= operations <= 10_000_000:
            raise UsageError(f"--operations {operations}: use 1 to 10,000,000")
        path = Path((rest or [""])[0]).resolve()
        accelerator = JudgedLibrary(kind, path, name or path.stem, int(limit), operations)
        return lambda: _certify_accelerator(accelerator, rules, json, junit)
    scenarios = chosen(scenario or ())
    if show:
        return lambda: _list(scenarios)
    host, port = _address(connect)
    target = Target(
        command=tuple(rest or ()),
        host=host,
        port=port,
        reload=signal_named(reload_signal) if reload_signal else None,
        stop=signal_named(stop_signal),
        certificate=_readable(client_certificate) if client_certificate else None,
        connects=connects,
        limit_s=limit,
        uids=tuple(user_id(name) for name in user or ()),
    )
    if seed is not None and not 0 <= seed <= MOST_SEED:
        raise UsageError(f"--seed {seed}: use a number from 0 to {MOST_SEED:,}")
    module = provider_for(target.command[0], libcrypto)
    chosen_seed = random.randrange(MOST_SEED) if seed is None else seed
    return lambda: _certify(target, module, scenarios, chosen_seed, json, junit)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--connect {text}: use a host and a port, such as 127.0.0.1:4433")
    return host.strip("[]"), int(port)


def _readable(file: str) -> Path:
    try:
        Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--client-certificate {quoted(file)}: {reason}; give a PEM file that can be read") from None
    return Path(file)


def _list(scenarios: Sequence[ServerScenario | Rule]) -> int:
    for scenario in scenarios:
        print(f"{scenario.name:24}{scenario.what}")
    return OK


def _certify(
    target: Target, module: Path, scenarios: Sequence[ServerScenario], seed: int, json: str, junit: str
) -> int:
    again = _again(seed)
    tell = None if STDOUT in (json, junit) else print
    try:
        with run_folder() as folder:
            certification = Certification(target, module, folder, seed)
            result = certification.play(scenarios, again, lambda verdict: tell and tell(line(verdict), flush=True))
    except CannotStart as reason:
        complain(str(reason))
        return USAGE
    if tell is not None:
        print(f"{end(result)}\nthe server: {result.summary}")
    _write(result, json, junit)
    return OK if result.passed else FAILED


def _certify_accelerator(accelerator: JudgedLibrary, rules: Sequence[Rule], json: str, junit: str) -> int:
    tell = None if STDOUT in (json, junit) else print
    with run_folder() as folder:
        try:
            driver = build(folder)
        except UsageError as error:
            complain(str(error))
            return USAGE
        result = certify(
            accelerator, rules, driver, _again(None), lambda verdict: tell and tell(line(verdict), flush=True)
        )
    if tell is not None:
        print(end(result))
    _write(result, json, junit)
    return OK if result.passed else FAILED


def _write(result: Result, json: str, junit: str) -> None:
    if json:
        write_text(json, as_json(result))
    if junit:
        write_text(junit, as_junit(result))


def _again(seed: int | None) -> Callable[[str], str]:
    """Makes the command that plays one scenario again: the present command line, with that scenario and the seed.

    It names no files of results, so it does not overwrite them.
    """
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options, rest = _without(arguments[:split], ("--scenario", "--seed", "--json", "--junit")), arguments[split:]

    def command_for(name: str) -> str:
        seeded = [] if seed is None else ["--seed", str(seed)]
        words = ["simaccel", *options, "--scenario", name, *seeded, *rest]
        return " ".join(quoted(word) for word in words)

    return command_for


def _without(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    kept, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in names:
            skip = True
        elif not argument.startswith(tuple(f"{name}=" for name in names)):
            kept.append(argument)
    return kept
