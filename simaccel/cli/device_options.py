"""The options of `simaccel serve` and of `simaccel openssl --device` that say what device is wanted."""

from __future__ import annotations

from typing import Annotated

import typer

from simaccel.cli.number_options import whole_number

DEPTH = 1024

Depth = Annotated[
    int,
    typer.Option(
        parser=whole_number, metavar="N", help="The most slots that a client's ring may have: a power of two."
    ),
]
Units = Annotated[
    int | None,
    typer.Option(parser=whole_number, metavar="N", help="Units that work in parallel. [default: the preset's, or 1]"),
]
Workers = Annotated[
    int, typer.Option(parser=whole_number, metavar="N", help="Threads that do long operations, such as RSA.")
]
Latency = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="How long the device takes, such as fixed:50us or preset:qat-dh895xcc. [default: as long as the work]",
    ),
]
Faults = Annotated[
    list[str] | None,
    typer.Option(
        "--fault", metavar="RULE", help="What goes wrong, such as corrupt:op=rsa-sign,every=100; may be repeated."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(parser=whole_number, metavar="N", help="The seed of everything random. [default: a new one]"),
]
AllowUser = Annotated[
    list[str] | None,
    typer.Option(metavar="USER", help="A user, by name or uid, that may connect; may be repeated."),
]
