"""The rules for providers and engines. docs/certify-provider.md says where each comes from; driver.c checks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sim import UsageError


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. It is checked by fd in one process, and by callback in another."""

    name: str
    what: str


RULES = (
    Rule("results", "results are those of the default provider, in jobs and outside of them"),
    Rule("pauses", "a job pauses, and is woken"),
    Rule("status", "by callback, the status is OK or EAGAIN before the pause"),
    Rule("callback-once", "one callback for each pause"),
    Rule("full", "64 jobs at a time: what has no room is told EAGAIN, and nothing is lost"),
    Rule("early-resume", "a job that is resumed too early pauses again"),
    Rule("fd-stable", "one fd for a wait context, announced once"),
    Rule("fd-closed", "the cleanup closes the fd, and nothing else does"),
    Rule("block-pause", "with pauses blocked, an operation waits in place"),
    Rule("two-jobs", "two jobs share a wait context"),
    Rule("freed-in-flight", "wait contexts are freed under paused jobs"),
    Rule("fork", "a process forks with a paused job; both sides end it"),
    Rule("threads", "four threads use it at once"),
    Rule("unload", "it is unloaded, and a wait context freed after that"),
    Rule("leaks", "10,000 operations leave no fd behind"),
    Rule("busy-loop", "an fd is readable only when a job can go on"),
)


def chosen(names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules with these names, in the table's order, or all. Raises UsageError for an unknown name."""
    known = [rule.name for rule in RULES]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise UsageError(
                f"there is no rule {name!r}: " + (f"did you mean {close[0]}?" if close else f"use {', '.join(known)}")
            )
    return tuple(rule for rule in RULES if not names or rule.name in names)
