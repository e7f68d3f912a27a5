"""The rules for providers and engines. The driver checks them. docs/certify-provider.md gets its table from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sim import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. It is checked by fd in one process, and by callback in another. RULE in the driver's C has its name."""

    name: str
    what: str
    """What must hold, in one line."""
    holds: str
    """What the driver does, and what must hold. Markdown."""
    comes_from: str = ""
    """Where the rule comes from. Empty if it needs no source."""


RULES = (
    Rule(
        name="results",
        what="results are those of the default provider, in jobs and outside of them",
        holds=(
            "16 operations outside of jobs and 16 in jobs, all at once: the results are those of the default provider"
        ),
        comes_from="blinding kept for each thread made 599 of 600 signatures wrong",
    ),
    Rule(
        name="pauses",
        what="a job pauses, and is woken",
        holds="a job pauses, is woken, and ends",
        comes_from="QAT_Engine #201",
    ),
    Rule(
        name="status",
        what="by callback, the status is OK or EAGAIN before the pause",
        holds=(
            "by callback: the status is OK or EAGAIN when the job has paused. Otherwise an application can't know "
            "whether a callback will come"
        ),
        comes_from="OpenSSL PR #7573, QAT_Engine's `qat_events.c`",
    ),
    Rule(
        name="callback-once",
        what="one callback for each pause",
        holds="by callback: one callback for each pause",
        comes_from="an application that counts them resumes a job that is gone",
    ),
    Rule(
        name="full",
        what="64 jobs at a time: what has no room is told EAGAIN, and nothing is lost",
        holds="64 jobs at a time: each has room, or is told EAGAIN. By fd, each is woken; none is lost",
        comes_from="QAT_Engine #211, #181, DPDK's null driver",
    ),
    Rule(
        name="early-resume",
        what="a job that is resumed too early pauses again",
        holds="jobs are resumed before they are woken: they pause again, and the result is right",
        comes_from='"resumed unexpectedly" in QAT_Engine',
    ),
    Rule(
        name="fd-stable",
        what="one fd for a wait context, announced once",
        holds="17 operations with one wait context: it has the same fd for all",
        comes_from="asynch_mode_nginx #39",
    ),
    Rule(
        name="fd-closed",
        what="the cleanup closes the fd, and nothing else does",
        holds="by fd: the fd is open until the wait context is freed, and closed after that",
        comes_from="asynch_mode_nginx #39",
    ),
    Rule(
        name="block-pause",
        what="with pauses blocked, an operation waits in place",
        holds="within ASYNC_block_pause an operation waits in place, and its result is right",
        comes_from="libcrypto's manual",
    ),
    Rule(
        name="two-jobs",
        what="two jobs share a wait context",
        holds="by fd: two jobs with one wait context both end, 16 times",
        comes_from="a resume resets the reports of both jobs, and both wait for the same fd",
    ),
    Rule(
        name="freed-in-flight",
        what="wait contexts are freed under paused jobs",
        holds=(
            "16 wait contexts are freed under their paused jobs, the completions come, and all goes on; no fd is left"
        ),
        comes_from="QAT_Engine #292, #349, #143; HAProxy #3453",
    ),
    Rule(
        name="fork",
        what="a process forks with a paused job; both sides end it",
        holds="a process forks with a paused job. Parent and child both end it, and the child does another",
        comes_from="QAT_Engine #36, #256, #47",
    ),
    Rule(
        name="threads",
        what="four threads use it at once",
        holds="four threads with 800 operations each",
    ),
    Rule(
        name="unload",
        what="it is unloaded, and a wait context freed after that",
        holds="the library is unloaded, and a wait context that it has used is freed after that",
        comes_from="the cleanup of the fd is the library's code",
    ),
    Rule(
        name="leaks",
        what="10,000 operations leave no fd behind",
        holds="10,000 operations (`--operations`): the process has not one fd more after them",
        comes_from="asynch_mode_nginx #39",
    ),
    Rule(
        name="busy-loop",
        what="an fd is readable only when a job can go on",
        holds=(
            "16 operations, one after another: none is resumed more than eight times, because its fd must be "
            "readable only when there is something to do"
        ),
        comes_from="QAT_Engine #155, #100",
    ),
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
