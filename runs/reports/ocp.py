"""A report as the JSON lines of the OCP Test & Validation output specification, version 2.0
(https://github.com/opencomputeproject/ocp-diag-core/blob/main/json_spec/README.md).

A stage's attempt is a test step, a check and a critical finding are diagnoses, a key number is a measurement. A fault
of the bench is an error. The lowest, mean and highest value of each sensor belong to a step of their own.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from agent.contract.codes import CODES
from agent.contract.component_kinds import ComponentKind
from agent.contract.finding_code import Acts
from hosts import parts
from hosts.parts import LISTS
from runs.reports import stage_rows
from runs.reports.stage_rows import Document
from runs.wording import key_numbers

SCHEMA_VERSION = {"major": 2, "minor": 0}
_TYPES = {"passed": "PASS", "failed": "FAIL", "not_tested": "UNKNOWN"}
_RUN_ENDS = {"passed": ("COMPLETE", "PASS"), "failed": ("COMPLETE", "FAIL"), "": ("SKIP", "NOT_APPLICABLE")}
_FIRMWARE = (("bios", "BIOS"), ("bmc", "BMC"))
_SENSORS = "Sensors"
Artifact = tuple[str | None, Document]
"""When, and what."""


def make(content: Document) -> bytes:
    known = {one["hardwareInfoId"] for one in _hardware(content)}
    lines = []
    for number, (at, artifact) in enumerate(_artifacts(content, known)):
        line = {"sequenceNumber": number, "timestamp": at or content["generated_at"], **artifact}
        lines.append(json.dumps(line, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _artifacts(content: Document, known: set[str]) -> Iterator[Artifact]:
    run, verdict = content["run"], content["verdict"]
    begun = run["started_at"] or run["created_at"]
    yield begun, {"schemaVersion": SCHEMA_VERSION}
    yield begun, {"testRunArtifact": {"testRunStart": _start(content)}}
    steps = itertools.count()
    for stage in content["stages"]:
        for attempt in stage_rows.that_count(stage) if stage["attempts"] else []:
            yield from _step(str(next(steps)), stage, attempt, known)
    yield from _sensors(str(next(steps)), content, known)
    if verdict["result"] == "error":
        error = {"symptom": "bench", "message": verdict["bench_error"] or verdict["sentence"]}
        yield run["ended_at"], {"testRunArtifact": {"error": error}}
    level = "INFO" if verdict["result"] == "passed" else "ERROR"
    yield run["ended_at"], {"testRunArtifact": {"log": {"severity": level, "message": verdict["sentence"]}}}
    status, result = _RUN_ENDS.get(verdict["result"], ("ERROR", "NOT_APPLICABLE"))
    yield run["ended_at"], {"testRunArtifact": {"testRunEnd": {"status": status, "result": result}}}


def _start(content: Document) -> Document:
    run, host = content["run"], content["host"]
    firmware = (content["inventory"] or {}).get("firmware") or {}
    return {
        "name": "vetting",
        "version": f"{content['schema']} {content['schema_version']}",
        "commandLine": f"vet {host['name']} --profile {run['profile']}",
        "parameters": {name: run[name] for name in ("profile", "storage_mode", "on_failure", "repair")},
        "dutInfo": {
            "dutInfoId": host["uuid"] or host["name"],
            "name": host["name"],
            "platformInfos": [{"info": f"{host['manufacturer']} {host['product']}".strip()}],
            "hardwareInfos": _hardware(content),
            "softwareInfos": [
                {"softwareInfoId": key, "name": name, "version": str(firmware[key]), "softwareType": "FIRMWARE"}
                for key, name in _FIRMWARE
                if firmware.get(key)
            ],
        },
        "metadata": {"run": run["id"], "link": run["link"], "requested_by": run["requested_by"]},
    }


def _hardware(content: Document) -> list[Document]:
    """The parts of the run's inventory, each once."""
    inventory, host = content["inventory"] or {}, content["host"]
    found = {"system": {"name": "system", "serialNumber": host["serial"], "partNumber": host["product"]}}
    for kind in LISTS.values():
        for part in kind.within(inventory) or []:
            if name := kind.name(part):
                found.setdefault(_hardware_id(kind.word, name), _part(kind.word, name, part))
    return [{"hardwareInfoId": key, **{k: v for k, v in one.items() if v}} for key, one in found.items()]


def _part(kind: str, name: str, part: Document) -> Document:
    known = {
        "serialNumber": part.get("serial") or part.get("mac") or part.get("uuid") or part.get("guid"),
        "partNumber": part.get("part") or part.get("model"),
        "manufacturer": part.get("manufacturer"),
        "location": part.get("locator") or part.get("pci") or part.get("slot") or part.get("name"),
        "version": part.get("firmware"),
    }
    return {
        "name": f"{parts.in_words(kind)} {name}",
        "partType": kind,
        **{key: str(v) for key, v in known.items() if v},
    }


def _hardware_id(kind: str, component: str) -> str:
    return "system" if kind == ComponentKind.SYSTEM else f"{kind}:{component}"


def _step(step: str, stage: Document, attempt: Document, known: set[str]) -> Iterator[Artifact]:
    begun, ended = attempt["started_at"], attempt["ended_at"]

    def of_step(at: str | None, **artifact: Any) -> Artifact:
        return at, {"testStepArtifact": {"testStepId": step, **artifact}}

    yield of_step(begun, testStepStart={"name": f"{stage['title']} (attempt {attempt['attempt']})"})
    for number in attempt["numbers"]:
        yield of_step(ended, measurement=_number(stage["name"], number, known))
    for finding in attempt["findings"]:
        yield of_step(finding["at"], **_finding(finding, known))
    for check in attempt["checks"]:
        yield of_step(ended, diagnosis=_check(check, known))
    if attempt["reason"]:
        yield of_step(ended, log={"severity": "INFO", "message": attempt["reason"]})
    status = "SKIP" if attempt["outcome"] in ("not_tested", "") else "COMPLETE"
    yield of_step(ended, testStepEnd={"status": status})


def _check(check: Document, known: set[str]) -> Document:
    component = check.get("component", "")
    told = {
        "verdict": f"{check['name']}-{check['outcome']}",
        "type": _TYPES[check["outcome"]],
        "message": check.get("reason", ""),
    }
    return {key: value for key, value in told.items() if value} | _of_any(component, known)


def _finding(finding: Document, known: set[str]) -> Document:
    """A critical one is a diagnosis; one of the bench is an error of the test, whatever its severity; others are log
    lines."""
    code = CODES.get(finding["code"])
    if code and code.acts is Acts.BENCH:
        return {"error": {"symptom": finding["code"], "message": finding["message"]}}
    if finding["severity"] == "critical":
        told = {"verdict": finding["code"], "type": "FAIL", "message": finding["message"]}
        return {"diagnosis": told | _of(finding["component_kind"], finding["component"], known)}
    return {"log": {"severity": finding["severity"].upper(), "message": f"{finding['code']}: {finding['message']}"}}


def _number(stage: str, number: Document, known: set[str]) -> Document:
    plain = key_numbers.explained(stage, number["name"])
    told: Document = {"name": number["name"].partition(".")[0], "value": number["value"]}
    return told | ({"unit": plain.unit} if plain.unit else {}) | _of_any(plain.component, known)


def _sensors(step: str, content: Document, known: set[str]) -> Iterator[Artifact]:
    rows = content["measurements"]
    if not rows:
        return
    at, head = content["run"]["ended_at"], {"testStepId": step}
    yield at, {"testStepArtifact": {**head, "testStepStart": {"name": _SENSORS}}}
    for row in rows:
        part = _of(row["component_kind"], row["component"], known)
        for figure in ("lowest", "mean", "highest"):
            told = {"name": f"{row['name']}.{figure}", "value": row[figure], "unit": row["unit"], **part}
            yield at, {"testStepArtifact": {**head, "measurement": told}}
    yield at, {"testStepArtifact": {**head, "testStepEnd": {"status": "COMPLETE"}}}


def _of(kind: str, component: str, known: set[str]) -> Document:
    """To which part it belongs. One that the inventory does not have is named without an id."""
    if not component:
        return {}
    key = _hardware_id(kind, component)
    return {"hardwareInfoId": key} if key in known else {"subcomponent": {"name": component}}


def _of_any(component: str, known: set[str]) -> Document:
    """The same where the kind is not known."""
    found = next((key for key in known if key.partition(":")[2] == component), "") if component else ""
    return {"hardwareInfoId": found} if found else _of("", component, known)
