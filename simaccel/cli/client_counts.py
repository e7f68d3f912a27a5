"""The counts that clients report about themselves, as text: whether they pause, and what they do in software."""

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
"""The first so many are shown even at 0: that a program never pauses is worth knowing."""


def told_text(told: Mapping[str, int]) -> str:
    """Such as "12 pauses, 0 spurious resumes, ...": "" for a client that keeps no counts."""
    shown = [
        f"{told[name]:,} {text}"
        for number, (name, text) in enumerate(TEXTS.items())
        if name in told and (told[name] or number < ALWAYS)
    ]
    return ", ".join(shown)
