"""The counts that clients report about themselves, as text. They tell whether a client pauses, and what it does in
software."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS = {
    "pauses": "pauses",
    "spurious": "spurious resumes",
    "blocked": "waited for by a thread",
    "software": "in software",
    "unsupported": "of these unsupported",
    "orphaned": "orphaned",
    "expired": "expired",
    "damaged": "damaged",
    "gone": "lost with a device",
}
"""The counts that are shown, and their texts. The device knows the others itself."""

ALWAYS = 4
"""This many of the first counts are shown even if they are 0: it matters that a program never pauses."""


def told_text(told: Mapping[str, int]) -> str:
    """A text such as "12 pauses, 0 spurious resumes, ...". It is "" for a client that keeps no counts."""
    shown = [
        f"{told[name]:,} {text}"
        for number, (name, text) in enumerate(TEXTS.items())
        if name in told and (told[name] or number < ALWAYS)
    ]
    return ", ".join(shown)
