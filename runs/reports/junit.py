"""A report as JUnit XML, as GitLab, Jenkins and others show test results. There is no standard: this is what Jenkins'
schema allows (junit-10.xsd) and what GitLab reads.

Each stage is a suite; the stage itself and each of its checks are test cases. What was not tested is `skipped`, which
no such system takes for a failure. So the first suite has the verdict as a case of its own, which fails unless the run
passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from runs.reports import stage_rows
from runs.reports.stage_rows import Document
from runs.wording import naming

# Characters that XML 1.0 can't have, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RESULTS: dict[str, type[Any]] = {"failed": Failure, "error": Error, "not_tested": Skipped}


def make(content: Document) -> bytes:
    whole = JUnitXml("vetting")
    for suite in (_verdict(content), *(_stage(content, stage) for stage in content["stages"])):
        whole.add_testsuite(suite)
    whole.update_statistics()  # type: ignore[no-untyped-call]  # junitparser has half of its types
    root = ElementTree.fromstring(whole.tostring())  # type: ignore[no-untyped-call]
    del root.attrib["skipped"]  # the schema has it for suites only
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _verdict(content: Document) -> TestSuite:
    run, verdict = content["run"], content["verdict"]
    suite = _suite(content, "Verdict", run["started_at"] or run["created_at"])
    for name in ("id", "link", "profile", "repair", "requested_by", "storage_mode"):
        suite.add_property(name, _text(run[name]))
    case = _case(content, "Verdict", "verdict", run["duration_s"])
    if verdict["result"] != "passed":
        words = {"failed": "failed", "": "not_tested"}.get(verdict["result"], "error")
        parts = (f"{part['component']}: {part['action']}. {part['why']}" for part in content.get("parts") or [])
        _set_result(case, words, verdict["sentence"], "\n".join(parts))
    suite.add_testcase(case)
    return suite


def _stage(content: Document, stage: Document) -> TestSuite:
    attempts = stage_rows.that_count(stage) if stage["attempts"] else []
    suite = _suite(content, stage["title"], next((attempt["started_at"] for attempt in attempts), None))
    cases: list[TestCase] = []
    for attempt in attempts:
        suffix = f" (attempt {attempt['attempt']})" if len(attempts) > 1 else ""
        cases += _attempt(content, stage["title"], suffix, attempt)
    if not attempts:
        cases = [_case(content, stage["title"], stage["title"])]
        _set_result(cases[0], "not_tested", "not reached")
    suite.add_testcases(cases)
    return suite


def _attempt(content: Document, title: str, suffix: str, attempt: Document) -> Iterator[TestCase]:
    whole = _case(content, title, f"{title}{suffix}", attempt["duration_s"])
    if attempt["outcome"] != "passed":
        words = attempt["reason"] or ("it failed" if attempt["outcome"] == "failed" else "it has not ended")
        _set_result(whole, attempt["outcome"] or "not_tested", words, "\n".join(_findings(attempt)))
    yield whole
    for check in attempt["checks"]:
        component = check.get("component", "")
        name = f"{naming.in_words(check['name'])}{f' of {component}' if component else ''}{suffix}"
        case = _case(content, title, name)
        if check["outcome"] != "passed":
            _set_result(case, check["outcome"], check.get("reason", ""), "\n".join(_findings(attempt, component)))
        yield case


def _findings(attempt: Document, component: str = "") -> Iterator[str]:
    """A line for each finding that is not only information, of this component if one is given."""
    for one in attempt["findings"]:
        if one["severity"] != "info" and component in ("", one["component"]):
            yield f"{one['severity']}: {one['message']} ({one['code']}, {one['component_kind']} {one['component']})"


def _suite(content: Document, name: str, started: str | None) -> TestSuite:
    suite = TestSuite(_text(name))
    suite.hostname = _text(content["host"]["name"])
    if started:
        suite.timestamp = started.removesuffix("Z")
    return suite


def _case(content: Document, title: str, name: str, took_s: float | None = None) -> TestCase:
    """Jenkins takes what stands before the last dot of a class for a package: all suites of a host are one."""
    of_class = f"vetting.{_text(content['host']['name']).replace('.', '_')}.{title.replace('.', '_')}"
    return TestCase(_text(name), of_class, round(took_s or 0, 1))


def _set_result(case: TestCase, outcome: str, message: str, text: str = "") -> None:
    kind = _RESULTS[outcome]
    result = kind(_text(message)) if kind is Skipped else kind(_text(message), outcome)
    result.text = _text(text) or None
    case.result = result


def _text(value: object) -> str:
    return _ILLEGAL.sub("\ufffd", str(value))
