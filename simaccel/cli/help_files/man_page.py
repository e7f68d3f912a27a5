"""The man page simaccel(1), made from the help and the grammars: `python -m simaccel.cli.help_files.man_page`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

from simaccel.cli.help_files.described import Described, DescribedCommand, described_commands
from simaccel.cli.topics import TOPICS, topic_text
from simaccel.version import __version__

FILES = (
    ("@simaccel", "The device's socket if nothing else is said: an abstract name, which is no file."),
    ("/run/simaccel/simaccel.sock", "The socket of the device that systemd runs."),
)
ENVIRONMENT = (
    ("SIMACCEL_SOCKET", "The device's socket, for each command without --socket and for the provider."),
    ("SIMACCEL_TRUSTED_USERS", "Users besides root and oneself whose device is given keys."),
    ("SIMACCEL_MODULE", "The OpenSSL provider to use, instead of the one that is looked for."),
    ("SIMACCEL_TRACE", "With yes, the provider says on stderr what it does."),
    ("SIMACCEL_PURE", "With 1, the hot path runs in Python although it is compiled."),
)


def man_page(commands: Sequence[DescribedCommand]) -> str:
    """The page in roff. `commands` begins with the application itself."""
    return "\n".join(_lines(commands)) + "\n"


def _lines(commands: Sequence[DescribedCommand]) -> Iterator[str]:
    whole, *rest = commands
    yield f'.TH SIMACCEL 1 "" "simaccel {__version__}" "User Commands"'
    yield from (".SH NAME", r"simaccel \- " + _plain(whole.text.rstrip(".")))
    yield ".SH SYNOPSIS"
    for command in rest:
        yield from (_plain(command.usage), ".br")
    yield ".SH OPTIONS"
    yield from _parameters(whole.parameters)
    yield ".SH COMMANDS"
    for command in rest:
        yield f'.SS "{_plain(command.usage)}"'
        for paragraph in command.text.split("\n\n"):
            yield from (_plain(" ".join(paragraph.split())), ".PP")
        yield from _parameters(command.parameters)
    yield ".SH GRAMMARS"
    for topic in TOPICS:
        yield from (f'.SS "simaccel help {topic}"', ".nf")
        yield from map(_plain, topic_text(topic).splitlines())
        yield ".fi"
    for heading, entries in (("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        yield f".SH {heading}"
        for name, text in entries:
            yield from _entry(name, text)


def _parameters(parameters: Sequence[Described]) -> Iterator[str]:
    for parameter in parameters:
        yield from _entry(parameter.shown, parameter.text)


def _entry(name: str, text: str) -> Iterator[str]:
    yield from (".TP", rf"\fB{_plain(name)}\fR", _plain(text))


def _plain(text: str) -> str:
    """Text that roff prints as it is: no escapes, no requests, and hyphens that can be copied."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    return re.sub(r"^(?=[.'])", r"\\&", escaped)


if __name__ == "__main__":
    sys.stdout.write(man_page(described_commands()))
