"""A result as JSON and as JUnit XML, for programs and for the pages of a CI."""

from __future__ import annotations

import json
from dataclasses import asdict
from xml.etree import ElementTree as Xml

from simaccel.certify.results.verdict import CertifyVerdict, Decision, Result


def as_json(result: Result) -> str:
    """One object. `passed` says what the exit code says, `verdicts` has an object for each scenario or rule."""
    return json.dumps({"passed": result.passed, **asdict(result)}, indent=2) + "\n"


def as_junit(result: Result) -> str:
    """One test suite, with a test case for each scenario or rule; what does not apply is skipped."""
    suite = Xml.Element(
        "testsuite",
        name="simaccel certify",
        tests=str(len(result.verdicts)),
        failures=str(result.count(Decision.FAILED)),
        skipped=str(result.count(Decision.DOES_NOT_APPLY)),
        errors="0",
        time=f"{sum(verdict.took_s for verdict in result.verdicts):.3f}",
    )
    properties = Xml.SubElement(suite, "properties")
    for name, value in (("subject", result.subject), ("summary", result.summary), ("seed", str(result.seed or 0))):
        Xml.SubElement(properties, "property", name=name, value=_legal(value))
    for verdict in result.verdicts:
        suite.append(_case(verdict))
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(verdict: CertifyVerdict) -> Xml.Element:
    case = Xml.Element("testcase", classname="simaccel.certify", name=verdict.name, time=f"{verdict.took_s:.3f}")
    if verdict.outcome is Decision.FAILED:
        failure = Xml.SubElement(case, "failure", message=_legal(verdict.seen))
        stands_for = f"stands for: {verdict.stands_for}\n" if verdict.stands_for else ""
        failure.text = _legal(f"{verdict.what}\n{verdict.seen}\n{stands_for}again: {verdict.again}")
    elif verdict.outcome is Decision.DOES_NOT_APPLY:
        Xml.SubElement(case, "skipped", message=_legal(verdict.seen))
    elif verdict.seen:
        Xml.SubElement(case, "system-out").text = _legal(verdict.seen)
    return case


def _legal(text: str) -> str:
    """The text without the characters that XML forbids."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
