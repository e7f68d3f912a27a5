"""`simaccel help TOPIC`: the grammar of timing models, of faults or of traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from sim import UsageError
from simaccel.cli.exits import OK
from simaccel.cli.topics import TOPICS, topic_text


def command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help=f"One of {', '.join(TOPICS)}.")],
) -> Callable[[], int]:
    """Print a grammar: of timing models, faults or traces."""
    if topic not in TOPICS:
        raise UsageError(
            f"help {topic}: the topics are {', '.join(TOPICS)}; for the help of a command, use simaccel {topic} --help"
        )
    return lambda: _print(topic)


def _print(topic: str) -> int:
    print(topic_text(topic), end="")
    return OK
