"""A result as a table for people."""

from __future__ import annotations

from simaccel.certify.results.verdict import CertifyVerdict, Decision, Result

MARKS = {Decision.PASSED: "pass", Decision.FAILED: "FAIL", Decision.DOES_NOT_APPLY: "-"}


def line(verdict: CertifyVerdict) -> str:
    """One line: the mark, the name, and what was seen."""
    seen = verdict.seen if verdict.outcome is not Decision.FAILED else verdict.what
    return f"{MARKS[verdict.outcome]:5}{verdict.name:24}{seen}".rstrip()


def end(result: Result) -> str:
    """What follows the lines: the failures in detail, and the sums."""
    text = []
    for verdict in result.verdicts:
        if verdict.outcome is Decision.FAILED:
            since = f" (for {verdict.since_s:.1f} s)" if verdict.since_s else ""
            text += ["", f"{verdict.name} failed: {verdict.seen}{since}"]
            text += [f"    stands for: {verdict.stands_for}"] if verdict.stands_for else []
            text += [f"    again: {verdict.again}"]
    counts = f"{result.count(Decision.PASSED)} passed, {result.count(Decision.FAILED)} failed"
    rest = result.count(Decision.DOES_NOT_APPLY)
    seed = "" if result.seed is None else f"; seed {result.seed}"
    text += ["", counts + (f", {rest} do not apply" if rest else "") + seed]
    return "\n".join(text)
