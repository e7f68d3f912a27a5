"""`simaccel plan`: how many cards a load needs."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sim import UsageError
from sim.randomness import Randomness
from sim.timing.quantities import parse_duration_ns
from simaccel.bench.text_table import print_line
from simaccel.cli.console import console
from simaccel.cli.exits import OK, OutputError
from simaccel.cli.number_options import whole_number
from simaccel.cli.output_files import STDOUT, check_writable, write_text
from simaccel.extras import it_needs
from simaccel.fleet.policies import POLICIES, make_policy
from simaccel.load import Card, Mix, parse_arrivals, parse_handshake, parse_mix, parse_rate
from simaccel.load.arrivals import AT_RATE
from simaccel.load.plan_text import draw_plan, plan_lines
from simaccel.load.planning import COUNT, Plan, Wish, at_rate, plan
from simaccel.version import __version__

PICTURES = (".png", ".svg")
LEAST_COUNT = 1_000


def command(
    rate: Annotated[str, typer.Option(metavar="RATE", help="How much arrives, such as 100k/s.")],
    p99: Annotated[str, typer.Option(metavar="TIME", help="99 of 100 must be done within this time, such as 2ms.")],
    mix: Annotated[
        str | None, typer.Option(metavar="MIX", help="What arrives, with weights: rsa-sign=1,x25519=1,aes-gcm:1kB=20.")
    ] = None,
    handshake: Annotated[
        str | None, typer.Option(metavar="NAME", help="What arrives: a handshake, such as tls13-rsa2048.")
    ] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="The card, such as qat-8970.")] = None,
    latency: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The card, as a timing model: see simaccel help timing.")
    ] = None,
    units: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", help="Units of a card. [default: the preset's, or 1]"),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", help="Slots of a card's ring. [default: as many as it needs]"),
    ] = None,
    in_flight: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="N",
            help="The most that the application has in flight, over all cards. QAT_Engine's default is 64.",
        ),
    ] = None,
    arrivals: Annotated[str, typer.Option(metavar="HOW", help=f"How they arrive: {AT_RATE}.")] = "poisson",
    policy: Annotated[
        str, typer.Option(metavar="NAME", help=f"Which card gets an operation: {', '.join(POLICIES)}.")
    ] = "least-in-flight",
    seed: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="N", help="The seed of everything random.")
    ] = None,
    count: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Transactions of each simulated run.")
    ] = COUNT,
    json: Annotated[str | None, typer.Option(metavar="FILE", help="Also write it as JSON; - is stdout.")] = None,
    picture: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw p99 over load, as .png or .svg. Needs matplotlib.")
    ] = None,
) -> Callable[[], int]:
    """Say how many cards a load needs, at which depth, how much in flight, and what binds."""
    if (preset is None) is (latency is None):
        raise UsageError("give the card: either --preset, such as qat-8970, or --latency, such as fixed:50us")
    if in_flight is not None and in_flight < 1:
        raise UsageError(f"--in-flight {in_flight}: use a whole number, 1 or more")
    if count < LEAST_COUNT:
        raise UsageError(f"--count {count}: use at least {LEAST_COUNT:,}, or a p99 means nothing")
    make_policy(policy)
    card = Card.of(latency or f"preset:{preset}", units, depth or 1 << 20)
    wish = Wish(
        arrivals=parse_arrivals(arrivals, parse_rate(rate)),
        mix=_mix(mix, handshake),
        p99_ns=parse_duration_ns(p99),
        card=Card.of(card.timing, card.units, depth) if depth is not None else card,
        policy=policy,
        in_flight=in_flight,
        seed=Randomness(seed).seed,
        depth_is_given=depth is not None,
        count=count,
    )
    at_rate(wish.arrivals, 1.0)
    if json is not None:
        check_writable("--json", json)
    if picture is not None:
        if Path(picture).suffix not in PICTURES:
            raise UsageError(f"--picture {picture}: use a name that ends in .png or .svg")
        check_writable("--picture", picture)
        _check_matplotlib(picture)
    found = plan(wish)  # here, because a wish that no number of cards can fulfil is wrong usage
    return lambda: _tell(wish, found, json, picture)


def _mix(mix: str | None, handshake: str | None) -> Mix:
    if (mix is None) is (handshake is None):
        raise UsageError("say what arrives: either --mix, such as rsa-sign=1,aes-gcm=20, or --handshake tls13-rsa2048")
    return parse_mix(mix) if mix is not None else parse_handshake(handshake or "")


def _check_matplotlib(picture: str) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError(f"--picture {picture}: {it_needs('matplotlib')}") from None


def _tell(wish: Wish, found: Plan, json: str | None, picture: str | None) -> int:
    screen = console(sys.stderr if json == STDOUT else sys.stdout)
    print_line(screen, f"simaccel {__version__}, seed {wish.seed}")
    for line in plan_lines(wish, found):
        print_line(screen, line)
    if json is not None:
        described = {"simaccel": __version__, "seed": wish.seed, **found.to_dict()}
        write_text(json, json_format.dumps(described, indent=2) + "\n")
    if picture is not None:
        try:
            draw_plan(wish, found, Path(picture))
        except OSError as error:
            raise OutputError(picture, error) from None
    return OK
