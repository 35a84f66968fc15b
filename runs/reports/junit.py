"""A report as JUnit XML, as GitLab, Jenkins and others show test results. There is no standard: this is what Jenkins'
schema allows (junit-10.xsd) and what GitLab reads.

Each stage is a suite; the stage itself and each of its checks are test cases. What was not tested is `skipped`, which
no such system takes for a failure. So the first suite has the verdict as a case of its own, which fails unless the run
passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from runs.reports import stage_rows
from runs.reports.stage_rows import Document
from runs.wording import naming

# Characters that XML 1.0 can't have, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RESULTS = {"failed": "failure", "error": "error", "not_tested": "skipped"}


def make(content: Document) -> bytes:
    root = Element("testsuites", name="vetting")
    suites = [_verdict(content), *(_stage(content, stage) for stage in content["stages"])]
    for suite in suites:
        _count(suite, list(suite.iter("testcase")))
        root.append(suite)
    _count(root, list(root.iter("testcase")))
    del root.attrib["skipped"]  # the schema has it for suites only
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _verdict(content: Document) -> Element:
    run, verdict = content["run"], content["verdict"]
    suite = _suite(content, "Verdict", run["started_at"] or run["created_at"], run["duration_s"])
    properties = SubElement(suite, "properties")
    for name in ("id", "link", "profile", "repair", "requested_by", "storage_mode"):
        SubElement(properties, "property", name=name, value=_text(run[name]))
    case = _case(suite, _class(content, "Verdict"), "verdict", run["duration_s"])
    if verdict["result"] != "passed":
        words = {"failed": "failed", "": "not_tested"}.get(verdict["result"], "error")
        parts = (f"{part['component']}: {part['action']}. {part['why']}" for part in content.get("parts") or [])
        _result(case, words, verdict["sentence"], "\n".join(parts))
    return suite


def _stage(content: Document, stage: Document) -> Element:
    attempts = stage_rows.that_count(stage) if stage["attempts"] else []
    started = next((attempt["started_at"] for attempt in attempts), None)
    suite = _suite(content, stage["title"], started, sum(attempt["duration_s"] or 0 for attempt in attempts))
    named = _class(content, stage["title"])
    if not attempts:
        _result(_case(suite, named, stage["title"]), "not_tested", "not reached")
    for attempt in attempts:
        suffix = f" (attempt {attempt['attempt']})" if len(attempts) > 1 else ""
        _attempt(suite, named, stage["title"], suffix, attempt)
    return suite


def _attempt(suite: Element, named: str, title: str, suffix: str, attempt: Document) -> None:
    whole = _case(suite, named, f"{title}{suffix}", attempt["duration_s"])
    if attempt["outcome"] != "passed":
        words = attempt["reason"] or ("it failed" if attempt["outcome"] == "failed" else "it has not ended")
        _result(whole, attempt["outcome"] or "not_tested", words, "\n".join(_findings(attempt)))
    for check in attempt["checks"]:
        component = check.get("component", "")
        name = f"{naming.in_words(check['name'])}{f' of {component}' if component else ''}{suffix}"
        case = _case(suite, named, name)
        if check["outcome"] != "passed":
            _result(case, check["outcome"], check.get("reason", ""), "\n".join(_findings(attempt, component)))


def _findings(attempt: Document, component: str = "") -> Iterator[str]:
    """A line for each finding that is not only information, of this component if one is given."""
    for one in attempt["findings"]:
        if one["severity"] != "info" and component in ("", one["component"]):
            yield f"{one['severity']}: {one['message']} ({one['code']}, {one['component_kind']} {one['component']})"


def _suite(content: Document, name: str, started: str | None, took_s: float | None) -> Element:
    suite = Element("testsuite", name=_text(name), hostname=_text(content["host"]["name"]))
    if started:
        suite.set("timestamp", started.removesuffix("Z"))
    suite.set("time", f"{took_s or 0:.1f}")
    return suite


def _case(suite: Element, named: str, name: str, took_s: float | None = None) -> Element:
    return SubElement(suite, "testcase", classname=named, name=_text(name), time=f"{took_s or 0:.1f}")


def _class(content: Document, title: str) -> str:
    """Jenkins takes what stands before the last dot for a package: all suites of a host are one."""
    return f"vetting.{_text(content['host']['name']).replace('.', '_')}.{title.replace('.', '_')}"


def _result(case: Element, outcome: str, message: str, text: str = "") -> None:
    kind = _RESULTS[outcome]
    element = SubElement(case, kind, message=_text(message))
    if kind != "skipped":
        element.set("type", outcome)
    element.text = _text(text) or None


def _count(element: Element, cases: list[Element]) -> None:
    element.set("tests", f"{len(cases)}")
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, f"{sum(case.find(kind) is not None for case in cases)}")


def _text(value: object) -> str:
    return _ILLEGAL.sub("\ufffd", str(value))
