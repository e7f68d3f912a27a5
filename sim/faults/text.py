"""Fault rules as text, for command lines and for the markers of tests.

    faults  = rule { ";" rule }
    rule    = KIND [ ":" item { "," item } ]
    item    = KEY "=" VALUE

Each kind has its own items: the fields of its verdict, under the keys of `_BY_FIELD`. The verdict's `about` shows them.
An item that is left out has the default of the field. For every kind there are also items that say when: op=KERNEL,
session=N, nth=N, every=N, p=NUMBER, depth=N, from=DURATION, until=DURATION, count=N; see `When`. Without any of them
every request meets the fault. DURATION is a number with ns, us, ms or s. Offset -1 is the last byte. Bits are 1 to 255,
or 0x01 to 0xff. Blanks around parts are ignored. Example: corrupt:op=sha256,every=100
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from sim.errors import UsageError
from sim.faults.rules import When
from sim.faults.verdicts import KINDS, Verdict
from sim.session import Session
from sim.timing.quantities import format_duration_ns, format_number, parse_duration_ns, parse_number

# At most 18 digits: int() takes quadratic time, and Python refuses more than 4,300 digits.
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_BITS = re.compile(r"0x[0-9a-fA-F]{1,2}|[0-9]{1,3}")


def parse_faults(text: str) -> list[When]:
    """The rules of a text in the grammar above. Raises UsageError, with a message of one line, for any other text."""
    if not isinstance(text, str):
        raise UsageError(f"fault {text!r}: give text, such as {_EXAMPLE}")
    return [_parse_rule(part) for part in text.split(";")]


def format_fault(rule: When) -> str:
    """The text of a rule, so that parse_faults(format_fault(rule)) == [rule]. Only a Session becomes its number."""
    verdict, usual = rule.verdict, type(rule.verdict)()
    items: list[str] = []
    for name, (key, _, write) in _OWN[verdict.kind].items():
        if getattr(verdict, name) != getattr(usual, name):
            items.append(f"{key}={write(getattr(verdict, name))}")
    always = When(verdict)
    for key, (name, _, write) in _TRIGGERS.items():
        value = getattr(rule, name)
        if value != getattr(always, name):
            items.append(f"{key}={write(value.id if isinstance(value, Session) else value)}")
    return f"{verdict.kind}:{','.join(items)}" if items else verdict.kind


def _parse_rule(text: str) -> When:
    kind, colon, rest = text.partition(":")
    kind = kind.strip()
    try:
        made = KINDS.get(kind)
        if made is None:
            close = get_close_matches(kind, KINDS, n=1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"no fault {kind!r}: {guess}use one of {', '.join(KINDS)}")
        if colon and not rest.strip():
            raise UsageError("nothing after the colon: leave it out, or give items such as every=100")
        return _rule(made, _items(rest))
    except UsageError as error:
        raise UsageError(f"fault {text.strip()!r}: {error}") from None


def _items(text: str) -> dict[str, str]:
    items: dict[str, str] = {}
    for item in text.split(",") if text.strip() else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key or not value:
            raise UsageError(f"{item.strip()!r}: write KEY=VALUE, such as every=100")
        if key in items:
            raise UsageError(f"{key} is given twice: keep one")
        items[key] = value
    return items


def _rule(made: type[Verdict], items: dict[str, str]) -> When:
    own = {key: (name, read) for name, (key, read, _) in _OWN[made.kind].items()}
    about: dict[str, Any] = {}
    when: dict[str, Any] = {}
    for key, value in items.items():
        if key in own:
            name, read = own[key]
            about[name] = read(key, value)
        elif key in _TRIGGERS:
            name, read, _ = _TRIGGERS[key]
            when[name] = read(key, value)
        else:
            raise UsageError(f"{made.kind} has no {key!r}: use {', '.join([*own, *_TRIGGERS])}")
    return When(made(**about), **when)


def _whole(key: str, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise UsageError(f"{key}={text}: use a whole number of at most 18 digits")
    return int(text)


def _bits(key: str, text: str) -> int:
    if not _BITS.fullmatch(text):
        raise UsageError(f"{key}={text}: use a number from 1 to 255, or from 0x01 to 0xff")
    return int(text, 16 if text.startswith("0x") else 10)


def _offsets(key: str, text: str) -> tuple[int, ...]:
    return tuple(_whole(key, part.strip()) for part in text.split("+"))


def _duration(key: str, text: str) -> int:
    try:
        return parse_duration_ns(text)
    except UsageError as error:
        raise UsageError(f"{key}: {error}") from None


def _fatal(key: str, text: str) -> bool:
    if text not in ("eagain", "fatal"):
        raise UsageError(f"{key}={text}: use eagain or fatal")
    return text == "fatal"


def _word(key: str, text: str) -> str:
    return text


def _write_offsets(value: tuple[int, ...]) -> str:
    return "+".join(map(str, value))


def _write_fatal(value: bool) -> str:
    return "fatal" if value else "eagain"


# name of the field -> key in the text, how it is read, how it is written
_Keys = tuple[str, Callable[[str, str], Any], Callable[[Any], str]]
_BY_FIELD: dict[str, _Keys] = {
    "status": ("status", _word, str),
    "offsets": ("bytes", _offsets, _write_offsets),
    "mask": ("bits", _bits, hex),
    "by_ns": ("by", _duration, format_duration_ns),
    "within_ns": ("within", _duration, format_duration_ns),
    "after_ns": ("after", _duration, format_duration_ns),
    "for_ns": ("for", _duration, format_duration_ns),
    "past": ("past", _whole, str),
    "rings": ("rings", _whole, str),
    "unit": ("unit", _whole, str),
    "fatal": ("as", _fatal, _write_fatal),
}
_OWN = {kind: {field.name: _BY_FIELD[field.name] for field in fields(made)} for kind, made in KINDS.items()}

# key in the text -> name of the field, how it is read, how it is written
_TRIGGERS: dict[str, _Keys] = {
    "op": ("op", _word, str),
    "session": ("session", _whole, str),
    "nth": ("nth", _whole, str),
    "every": ("every", _whole, str),
    "p": ("probability", lambda key, text: parse_number(key, text), format_number),
    "depth": ("depth", _whole, str),
    "from": ("from_ns", _duration, format_duration_ns),
    "until": ("until_ns", _duration, format_duration_ns),
    "count": ("count", _whole, str),
}
_EXAMPLE = "corrupt:op=sha256,every=100"
