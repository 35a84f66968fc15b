"""What the published schema of OCP Test & Validation output 2.0 allows, in the parts of it that we write.

Rebuilt from json_spec/output of github.com/opencomputeproject/ocp-diag-core (June 2023). Stricter in one thing: a line,
a run artifact and a step artifact have exactly the keys that are named here.
"""

from __future__ import annotations

from typing import Any

TEXT, INTEGER = {"type": "string"}, {"type": "integer", "minimum": 0}
VALUE = {"type": ["string", "boolean", "number"]}


def made_of(needed: dict[str, Any], more: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = needed | (more or {})
    return {"type": "object", "required": list(needed), "properties": properties, "additionalProperties": False}


def one_of(head: dict[str, Any], **kinds: Any) -> dict[str, Any]:
    return {"oneOf": [made_of(head | {name: rule}) for name, rule in kinds.items()]}


LOG = made_of({"severity": {"enum": ["INFO", "DEBUG", "WARNING", "ERROR", "FATAL"]}, "message": TEXT})
ERROR = made_of({"symptom": TEXT}, {"message": TEXT, "softwareInfoIds": {"type": "array", "items": TEXT}})
STATUS = {"enum": ["COMPLETE", "ERROR", "SKIP"]}
KIND_OF_PART = {"enum": ["UNSPECIFIED", "ASIC", "ASIC-SUBSYSTEM", "BUS", "FUNCTION", "CONNECTOR"]}
OF_PART = {
    "hardwareInfoId": TEXT,
    "subcomponent": made_of(
        {"name": TEXT}, {"type": KIND_OF_PART, "location": TEXT, "version": TEXT, "revision": TEXT}
    ),
}
DIAGNOSIS = made_of({"verdict": TEXT, "type": {"enum": ["PASS", "FAIL", "UNKNOWN"]}}, {"message": TEXT, **OF_PART})
MEASUREMENT = made_of({"name": TEXT, "value": VALUE}, {"unit": TEXT, **OF_PART})
HARDWARE = made_of(
    {"name": TEXT, "hardwareInfoId": TEXT},
    dict.fromkeys(("version", "revision", "location", "serialNumber", "partNumber", "partType", "manufacturer"), TEXT),
)
SOFTWARE = made_of(
    {"name": TEXT, "softwareInfoId": TEXT},
    {"version": TEXT, "softwareType": {"enum": ["UNSPECIFIED", "FIRMWARE", "SYSTEM", "APPLICATION"]}},
)
HOST = made_of(
    {"dutInfoId": TEXT},
    {
        "name": TEXT,
        "platformInfos": {"type": "array", "items": made_of({"info": TEXT})},
        "hardwareInfos": {"type": "array", "items": HARDWARE},
        "softwareInfos": {"type": "array", "items": SOFTWARE},
    },
)
START = made_of(
    {"name": TEXT, "version": TEXT, "commandLine": TEXT, "parameters": {"type": "object"}, "dutInfo": HOST},
    {"metadata": {"type": "object"}},
)
END = made_of({"status": STATUS, "result": {"enum": ["NOT_APPLICABLE", "PASS", "FAIL"]}})
STEP = one_of(
    {"testStepId": TEXT}, testStepStart=made_of({"name": TEXT}), testStepEnd=made_of({"status": STATUS}),
    measurement=MEASUREMENT, error=ERROR, log=LOG, diagnosis=DIAGNOSIS,
)  # fmt: skip
LINE = one_of(
    {"sequenceNumber": INTEGER, "timestamp": {"type": "string", "format": "date-time"}},
    schemaVersion=made_of({"major": {"const": 2}, "minor": {"const": 0}}),
    testRunArtifact=one_of({}, testRunStart=START, testRunEnd=END, log=LOG, error=ERROR),
    testStepArtifact=STEP,
)
