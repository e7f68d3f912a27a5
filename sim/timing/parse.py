"""Timing as text, for command lines and for the markers of tests.

    timing  = "none" | "preset:" NAME | service [ "+" latency ]
    service = latency = model | per-op
    model   = one of FORMS
    per-op  = "per-op:" { KERNEL "=" model ";" } "*=" model

DURATION is a number with ns, us, ms or s; BANDWIDTH a number with B/s, kB/s, MB/s, GB/s, Mbit/s or Gbit/s. In PATH
and NAME write %2B for +, %3B for ; and %25 for %, and after csv: also %2C for a comma. Blanks around parts are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import unquote

from sim.errors import UsageError
from sim.timing.models import Exponential, Fixed, Lognormal, Model, PerByte, PerOperation, Tail, Uniform
from sim.timing.presets import preset
from sim.timing.quantities import parse_bandwidth, parse_duration_ns, parse_number
from sim.timing.recorded import Recorded
from sim.timing.timing import INSTANT, Timing

# Nobody needs more models inside each other, and this is far from Python's limit of recursion.
_MAX_NESTING = 16


def parse_timing(text: str) -> Timing:
    """The timing of a text in the grammar above. A `trace:` reads its file, so this may block.

    Raises UsageError, with a message of one line, for any other text.
    """
    if not isinstance(text, str):
        raise UsageError(f"timing {text!r}: give text, such as fixed:50us")
    spec = text.strip()
    if spec == "none":
        return INSTANT
    kind, colon, rest = spec.partition(":")
    if colon and kind.strip() == "preset":
        return preset(rest.strip())
    parts = spec.split("+")
    if len(parts) > 2:
        raise UsageError(
            f"timing {text!r} has {len(parts)} parts: give a service, or a service and a latency with + between"
        )
    try:
        models = [_parse_part(part) for part in parts]
    except UsageError as error:
        raise UsageError(f"timing {text!r}: {error}") from None
    return Timing(models[0], models[1] if len(models) == 2 else Fixed(0))


def as_timing(latency: Timing | Model | str | None) -> Timing:
    """The Timing for this value. A model alone is the model of the service; with None nothing takes time.

    Raises UsageError for anything else.
    """
    if latency is None:
        return INSTANT
    if isinstance(latency, Timing):
        return latency
    if isinstance(latency, str):
        return parse_timing(latency)
    if isinstance(latency, Model):
        return Timing(service=latency)
    raise UsageError(f'latency={latency!r}: use a Timing, a model such as Fixed(50_000), or text such as "fixed:50us"')


def _parse_part(text: str) -> Model:
    kind, _, rest = text.strip().partition(":")
    if kind.strip() == "per-op":
        return _per_operation(rest)
    return _parse_model(text, 0)


def _parse_model(text: str, depth: int) -> Model:
    if depth > _MAX_NESTING:
        raise UsageError(f"more than {_MAX_NESTING} models inside each other: nest fewer")
    kind, colon, rest = text.strip().partition(":")
    kind = kind.strip()
    if kind == "tail" and colon:
        return _tail(rest, depth)
    make = _SIMPLE.get(kind)
    if make is None or not colon:
        raise UsageError(_unknown(kind, colon, make is not None))
    return make(rest)


def _unknown(kind: str, colon: str, known: bool) -> str:
    if known or kind in ("tail", "per-op", "preset"):
        if not colon:
            return f"{kind!r} without values: write {_EXAMPLES[kind]}"
        return f"{kind!r} can't stand inside another model: put it outermost, as {_EXAMPLES[kind]}"
    if kind == "none":
        return "'none' stands alone: write fixed:0s for a part that takes no time"
    close = get_close_matches(kind, _EXAMPLES, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"no model {kind!r}: {guess}use none or one of {', '.join(_EXAMPLES)}"


def _fields(kind: str, rest: str, count: int) -> list[str]:
    fields = [part.strip() for part in rest.split(",")]
    if len(fields) != count:
        raise UsageError(f"{kind} with {len(fields)} value(s): it takes {count}, as {_EXAMPLES[kind]}")
    return fields


def _fixed(rest: str) -> Model:
    (duration,) = _fields("fixed", rest, 1)
    return Fixed(parse_duration_ns(duration))


def _uniform(rest: str) -> Model:
    low, high = _fields("uniform", rest, 2)
    return Uniform(parse_duration_ns(low), parse_duration_ns(high))


def _lognormal(rest: str) -> Model:
    median, sigma = _fields("lognormal", rest, 2)
    return Lognormal(parse_duration_ns(median), parse_number("sigma", sigma))


def _exponential(rest: str) -> Model:
    (mean,) = _fields("exponential", rest, 1)
    return Exponential(parse_duration_ns(mean))


def _bytes(rest: str) -> Model:
    base, bandwidth = _fields("bytes", rest, 2)
    return PerByte(parse_duration_ns(base), parse_bandwidth(bandwidth))


def _values(rest: str) -> Model:
    return Recorded(tuple(parse_duration_ns(part) for part in rest.split(",")))


def _trace(rest: str) -> Model:
    path = unquote(rest.strip())
    if not path:
        raise UsageError(f"trace without a path: write {_EXAMPLES['trace']}")
    return Recorded.load(path)


def _csv(rest: str) -> Model:
    path, *options = (part.strip() for part in rest.split(","))
    if not path:
        raise UsageError(f"csv without a path: write {_EXAMPLES['csv']}")
    given: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if name.strip() not in ("column", "unit") or not equals or name.strip() in given:
            raise UsageError(f"csv {option!r}: give column= and unit= once each, as {_EXAMPLES['csv']}")
        given[name.strip()] = unquote(value.strip())
    return Recorded.load_csv(unquote(path), given.get("column"), given.get("unit"))


def _tail(rest: str, depth: int) -> Model:
    # The inner model comes last, so its own commas need no brackets.
    parts = [part.strip() for part in rest.split(",", 2)]
    names = [part.partition("=")[0].strip() for part in parts[:2]]
    if len(parts) != 3 or names[0] != "p" or names[1] not in ("x", "add"):
        raise UsageError(f"tail {rest!r}: give p=, then x= or add=, then a model, as {_EXAMPLES['tail']}")
    probability = parse_number("p", parts[0].partition("=")[2].strip())
    amount = parts[1].partition("=")[2].strip()
    inner = _parse_model(parts[2], depth + 1)
    if names[1] == "x":
        return Tail(probability, inner, factor=parse_number("x", amount))
    return Tail(probability, inner, add_ns=parse_duration_ns(amount))


def _per_operation(rest: str) -> Model:
    table: dict[str, Model] = {}
    for row in rest.split(";"):
        op, equals, model = row.partition("=")
        op = op.strip()
        if not equals or not op:
            raise UsageError(f"per-op row {row.strip()!r}: write KERNEL=MODEL, as {_EXAMPLES['per-op']}")
        if op in table:
            raise UsageError(f"per-op names {op!r} twice: keep one")
        table[op] = _parse_model(model, 0)
    default = table.pop("*", None)
    if default is None:
        raise UsageError("per-op without a default: add a row for all other kernels, such as ;*=fixed:50us")
    return PerOperation(table, default)


class Form(NamedTuple):
    """How a model is written, what it draws, and an example."""

    text: str
    what: str
    example: str


FORMS = (
    Form("fixed:DURATION", "always the same", "fixed:50us"),
    Form("uniform:LOW,HIGH", "any duration in between, all equally likely", "uniform:10us,90us"),
    Form("lognormal:MEDIAN,SIGMA", "a skewed distribution, like measured times", "lognormal:50us,0.3"),
    Form("exponential:MEAN", "memoryless, as in queueing theory", "exponential:50us"),
    Form("bytes:BASE,BANDWIDTH", "BASE, and the payload at that bandwidth", "bytes:5us,2GB/s"),
    Form(
        "tail:p=NUMBER,add=DURATION,MODEL",
        "MODEL; with probability p, DURATION longer",
        "tail:p=0.01,add=1ms,fixed:50us",
    ),
    Form("tail:p=NUMBER,x=NUMBER,MODEL", "MODEL; with probability p, x times as long", "tail:p=0.01,x=20,fixed:50us"),
    Form("values:DURATION,DURATION,...", "these in order, then from the first again", "values:50us,70us"),
    Form("trace:PATH", "the same, from a file with one on each line", "trace:durations.txt"),
    Form(
        "csv:PATH,column=NAME,unit=UNIT",
        "the same, from a column of a CSV file",
        "csv:measured.csv,column=service,unit=us",
    ),
)
"""Every model that has a text. `simaccel help timing` prints these."""

_EXAMPLES = {form.text.partition(":")[0]: form.example for form in FORMS} | {
    "per-op": "per-op:rsa-sign=fixed:1ms;*=fixed:50us",
    "preset": "preset:qat-dh895xcc",
}
_SIMPLE: dict[str, Callable[[str], Model]] = {
    "fixed": _fixed,
    "uniform": _uniform,
    "lognormal": _lognormal,
    "exponential": _exponential,
    "bytes": _bytes,
    "values": _values,
    "trace": _trace,
    "csv": _csv,
}
