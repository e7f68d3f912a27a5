"""The grammars that `simaccel help TOPIC` prints: timing models, faults and traces. The pages in docs/ say more.

The models, the kinds of faults and the events are those of `sim`, each with the words that stand beside it there.
"""

from __future__ import annotations

from collections.abc import Iterable

TIMING = """\
A timing model says how long the device takes for a request, whatever the work
takes on this machine. --latency takes one:

  none | preset:NAME | SERVICE [+LATENCY]

SERVICE keeps a unit busy. LATENCY passes after it, and keeps nothing busy.
Each of them is a model, or one model for each operation:

  MODEL | per-op:OPERATION=MODEL;...;*=MODEL

{models}

DURATION is a number with ns, us, ms or s; BANDWIDTH one with B/s, kB/s, MB/s,
GB/s, Mbit/s or Gbit/s. The presets:
{presets}.

For example: preset:qat-dh895xcc, lognormal:50us,0.3, fixed:10us+fixed:40us.
The page: docs/timing.md
"""

FAULTS = """\
A fault rule says what goes wrong, and with which requests. --fault takes one,
as does simaccel inject:

  KIND[:KEY=VALUE,...][;KIND...]

{kinds}

For every kind, these say which requests meet the fault. All of them must hold:

  op=NAME          of this operation
  session=N        with this session
  depth=N          submitted while at least N are in flight
  from=TIME, until=TIME   submitted in this window, from the rule's start
  nth=N, every=N   the Nth that matches, or every Nth
  p=NUMBER         with this probability
  count=N          at most N times

TIME is a number with ns, us, ms or s.
For example: corrupt:op=sha256,every=100 or lose:p=0.01,count=3.
The page: docs/faults.md
"""

TRACE = """\
A trace is a recorded run. simaccel run --trace FILE writes one, and simaccel
replay FILE runs it again and prints the first event that differs. A FILE that
ends in .pftrace is for https://ui.perfetto.dev instead. Any other is text:

  a line with the format and its version
  a line of JSON that says what was run
  a line for each event: NS WORD REQUEST [DETAIL]
  a line with the number of events and the SHA-256 of all lines before it

NS is the virtual time in ns. REQUEST is the number of the request, 0 for none.

{events}

The page: docs/faults.md
"""

TOPICS = {"timing": TIMING, "faults": FAULTS, "trace": TRACE}
"""Each topic and its text."""


def topic_text(topic: str) -> str:
    """The text of a topic, of lines of at most 80 columns. Raises KeyError for an unknown one."""
    from sim.faults import KINDS
    from sim.timing import FORMS, preset_names
    from sim.trace import EVENTS

    lists = {
        "{presets}": ", ".join(preset_names()),
        "{models}": _rows((form.text, form.what) for form in FORMS),
        "{kinds}": _rows((kind, verdict.about) for kind, verdict in KINDS.items()),
        "{events}": _rows(EVENTS.items()),
    }
    text = TOPICS[topic]
    for place, made in lists.items():
        text = text.replace(place, made)
    return text


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    """A line for each row. The second column is aligned."""
    rows = list(rows)
    width = max(len(first) for first, _ in rows)
    return "\n".join(f"  {first:{width}}  {second}" for first, second in rows)
