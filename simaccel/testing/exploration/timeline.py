"""A schedule as a Perfetto file: a track for each actor, a slice for each step, and an arrow where another one goes on.

A schedule has no times. In the file each step takes one microsecond, so step 7 is the slice that begins at 7 us.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from simaccel.testing.exploration.actor import CHOICE, Mark
from simaccel.tracing.file import PORTION, PerfettoFile
from simaccel.tracing.packets import BEGIN, END, INSTANT

STEP_NS = 1_000


def save_timeline(path: str | os.PathLike[str], model: str, steps: Sequence[Mark], failure: str) -> None:
    """Write the file. Raises OSError if it can't be written."""
    file = PerfettoFile(path)
    group = file.track(model)
    tracks: dict[str, int] = {}
    for actor, _ in steps:
        if actor != CHOICE and actor not in tracks:
            tracks[actor] = file.track(actor, group, rank=len(tracks) + 1)
    now_ns, track, turns = 0, group, 0
    before = ""
    for actor, label in steps:
        if actor == CHOICE:
            file.rows.put(now_ns, file.head(INSTANT, track, f"choice: {label}"), 0)
            continue
        # An arrow has two ends: the last step of one actor, which has ended by now, and the first of the next. So each
        # turn begins with an instant of its own, and ends with one.
        if actor != before:
            if before:
                turns += 1
                file.rows.put(now_ns, file.head(INSTANT, track, "gives way"), turns)
                file.rows.put(now_ns, file.head(INSTANT, tracks[actor], "goes on"), turns)
            before, track = actor, tracks[actor]
        end = now_ns + STEP_NS
        file.rows.put(now_ns, file.head(BEGIN, track, label), 0)
        file.rows.put(end, file.head(END, track), 0)
        now_ns = end
        if len(file.rows) >= PORTION:
            file.flush()
    file.rows.put(now_ns, file.head(INSTANT, track, f"FAILS: {failure}"), 0)
    file.close()
    if file.error is not None:
        raise file.error
