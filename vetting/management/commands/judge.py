"""`./manage.py judge --kind KIND FILE…`: what a run would find in recorded tool outputs, one JSON line per file."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from agent.contract import codec, wire
from hosts import adoption, expectations, file_errors
from runs import orchestrator_stages
from runs.judging import specdiff
from runs.profiles import load as profiles
from runs.stages import BY_NAME
from vetting.commandline import EXIT_USAGE

# Kind of recording → the stage whose limits judge it.
STAGES = {
    "smartctl": "SMART",
    "sel": "PSU",
    "sdr": "PSU",
    "kmsg": "CPUStress",
    "dmidecode": "InventoryCheck",
    "nvidia-smi": "GPU",
}
# Parts of a spec that dmidecode reports.
_PARTS = ("system", "cpu", "memory", "firmware")
_PINNED = ("system.", "cpu.", "memory.")
TIMEOUT_S = 600
EXIT_UNREADABLE = 1
Line = dict[str, Any]


class Command(BaseCommand):
    help = (
        "Judge recorded outputs with the same functions as a run, and print one JSON line per file. smartctl: "
        "`smartctl -j -x`, its health check. sel and kmsg: `ipmitool sel elist` and `dmesg`, as if every entry were "
        "new. sdr: `ipmitool sdr elist`, supplies and fans. dmidecode: against --expected, else against what would be "
        "adopted from the same file. nvidia-smi: `nvidia-smi -q -x`. In sel, sdr and kmsg, lines that begin with # "
        "are skipped. Exit status 0 when every file could be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kind", required=True, choices=list(STAGES), help="Which tool made the recordings.")
        parser.add_argument(
            "--profile", default="quick", help="The profile whose limits judge the recordings (default: quick)."
        )
        parser.add_argument("--expected", metavar="SPEC.yaml", help="The expected spec of the host that they are of.")
        parser.add_argument("files", nargs="+", metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        request = _request(options["kind"], options["profile"], options["expected"], options["files"])
        unreadable = 0
        for line, name in zip(_agent(request), options["files"], strict=True):
            unreadable += bool(line["trouble"])
            line["trouble"] = line["trouble"] and _trouble(name, line["trouble"])
            self.stdout.write(json.dumps({"file": name, **_told(line, request["expected"])}, ensure_ascii=False))
        if unreadable:
            sys.exit(EXIT_UNREADABLE)


def _request(kind: str, profile_name: str, spec_file: str | None, files: list[str]) -> dict[str, Any]:
    """The data that the agent would get in a claim. Raises CommandError."""
    try:
        profile = profiles.load(profile_name)
    except profiles.ProfileError as error:
        raise CommandError(str(error), returncode=EXIT_USAGE) from None
    name = STAGES[kind]
    stage = profile["stages"].get(name)
    if stage is None:
        what = f"profile {profile_name} has no stage {name}, whose limits a {kind} recording is judged by"
        raise CommandError(what, returncode=EXIT_USAGE)
    order = wire.StageOrder(
        name, BY_NAME[name].title, 1, stage["timeout_s"], stage["params"], stage["limits"], stage["required"]
    )
    return {
        "kind": kind,
        "files": [str(Path(one).resolve()) for one in files],
        "order": codec.encode(order),
        "sensor_limits": profile["sensors"],
        "expected": _spec(spec_file),
    }


def _spec(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return expectations.read(Path(path).read_text(), path).spec or {}
    except OSError as error:
        raise CommandError(f"--expected: {file_errors.in_words(error, path)}", returncode=EXIT_USAGE) from None
    except (UnicodeDecodeError, expectations.ExpectationError) as error:
        raise CommandError(f"--expected: {error}", returncode=EXIT_USAGE) from None


def _agent(request: dict[str, Any]) -> Iterator[Line]:
    """Run the agent as a process, as in the image: the server must not import stages. Raises CommandError."""
    command = [sys.executable, "-m", "agent", "--judge"]
    try:
        done = subprocess.run(
            command, input=json.dumps(request), cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"the recordings were not judged within {TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise CommandError(f"the agent's judge failed: {done.stderr[-1000:]}")
    yield from map(json.loads, done.stdout.splitlines())


def _trouble(name: str, said: str) -> str:
    """Why this file could not be read: what the agent said, or in our words, which say what to do."""
    try:
        Path(name).open("rb").close()
    except OSError as error:
        return file_errors.in_words(error, name)
    return said


def _told(line: Line, expected: dict[str, Any]) -> Line:
    """The line to print."""
    if line["trouble"]:
        return _line(wire.Outcome.NOT_TESTED, f"could not be read: {line['trouble']}", [], [])
    if line["inventory"] is None:
        return _line(line["outcome"], line["reason"], line["findings"], line["checks"])
    inventory = codec.decode(wire.Inventory, line["inventory"])
    spec = _asked(expected or adoption.from_inventory(line["inventory"]), inventory)
    if line["outcome"] != wire.Outcome.PASSED or not expectations.names_parts(spec):
        reason = line["reason"] or "such a recording contains nothing that the spec states"
        return _line(wire.Outcome.NOT_TESTED, reason, [], line["checks"])
    compared = orchestrator_stages.compare(spec, inventory)
    found = [codec.encode(orchestrator_stages.finding(one)) for one in compared.differences]
    left_out = [part for part in expected if part not in spec]
    reason = "; ".join([compared.reason, *([f"not compared: {', '.join(left_out)}"] if left_out else [])])
    made = [codec.encode(check) for part in _PARTS if part in spec for check in _checks(part, spec, inventory)]
    return _line(compared.outcome, reason, found, [*line["checks"], *made])


def _asked(spec: Line, inventory: wire.Inventory) -> Line:
    """The part of the spec that dmidecode reports, or only the recorded part of it (`dmidecode -t memory`)."""
    asked: Line = {part: spec[part] for part in ("system", "cpu", "memory", "not_expected") if part in spec}
    if inventory.system == wire.System():
        asked.pop("system", None)
    if bios := (spec.get("firmware") or {}).get("bios"):
        asked["firmware"] = {"bios": bios}
    pins = [pin for pin in spec.get("pinned") or [] if pin == "firmware.bios" or pin.startswith(_PINNED)]
    return {**asked, "pinned": pins} if pins else asked


def _checks(part: str, spec: Line, inventory: wire.Inventory) -> Iterator[wire.Check]:
    """One check for the part, and one for each expected memory module."""
    pinned = [pin for pin in spec.get("pinned") or [] if pin.startswith(f"{part}.")]
    alone = orchestrator_stages.compare({part: spec[part], "pinned": pinned}, inventory)
    yield wire.Check(part, wire.Outcome(alone.outcome), alone.reason)
    silent = specdiff.not_compared({part: spec[part]}, inventory)
    for dimm in spec[part].get("dimms") or []:
        path = f"memory.dimms[{dimm['locator']}]"
        why = [line for line in silent if line.startswith(path)]
        told = [one for one in alone.differences if one.path.startswith(path)]
        words = "; ".join([*(one.message for one in told), *why])
        if any(one.severity == wire.Severity.CRITICAL for one in told):
            yield wire.Check("dimm", wire.Outcome.FAILED, words, dimm["locator"])
        else:
            yield wire.Check("dimm", wire.Outcome.NOT_TESTED if why else wire.Outcome.PASSED, words, dimm["locator"])


def _line(outcome: str, reason: str, findings: list[Line], checks: list[Line]) -> Line:
    kept = ("severity", "code", "component", "message")
    return {
        "result": str(outcome),
        "reason": reason,
        "findings": [{key: finding[key] for key in kept} for finding in findings],
        "checks": [
            {"name": one["name"], "component": one["component"], "result": one["outcome"], "reason": one["reason"]}
            for one in checks
        ],
    }
