"""The RMA pack: one zip with all that the maker of a part, or its seller, asks for. Everything in it is listed in
SHA256SUMS, which is signed."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from hosts import bounds, parts
from hosts.parts import BY_WORD
from runs import photos, retention
from runs.files import logs
from runs.models import Run
from runs.reports import checking, document, signing, write
from runs.reports.stage_rows import Document
from runs.reports.templatetags import report_words
from runs.wording import naming

LOG_MOST = 16 * 2**20
"""Bytes of the run's log, the newest: the run's page has all of them."""
_FILE_MOST = 4 * 2**20
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

_ASKED: dict[str, tuple[str, ...]] = {
    "disk": ("model", "firmware", "bay or slot", "warranty number of the seller", "may the data be read by the maker?"),
    "dimm": ("part number", "does the fault move with the module to another slot?", "BIOS settings of the memory"),
    "cpu": ("model", "does the fault move with the processor to another socket?", "BIOS version and settings"),
    "gpu": ("model", "driver and VBIOS version", "does the fault move with the card to another slot?"),
    "nic": ("model", "firmware", "cable and module that were tried", "switch and port that were tried"),
    "psu": ("part number on its label", "mains lead and outlet that were tried", "does it fail in another bay?"),
    "fan": ("part number on its label", "does the fault move with the fan?"),
    "adapter": ("model", "firmware", "does the fault move with the card to another slot?"),
    "infiniband": ("model", "firmware", "cable and switch port that were tried"),
    "bmc": ("version", "event log (in this pack, if the run read one)"),
    "system": ("product", "BIOS and BMC version", "what was connected to the host"),
}
"""What makers ask for with an RMA, beside serial number and fault, by kind of part."""


def make(run: Run, content: Document) -> bytes:
    """The zip. Its size is bounded, since a report's is and the log is cut."""
    files = dict(_files(run, content))
    sums = checking.sums(files)
    files |= {
        checking.SUMS: sums,
        checking.SUMS + signing.SUFFIX: signing.sign(sums),
        checking.KEY: signing.public_key(),
    }
    out, at = io.BytesIO(), _moment(content)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, at)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            pack.writestr(entry, data)
    return out.getvalue()


def _files(run: Run, content: Document) -> Iterator[tuple[str, bytes]]:
    """Name → content, what a reader opens first at the beginning."""
    yield "README.txt", _readme(content).encode()
    yield "certificate.txt", _certificate(content).encode()
    for number, part in enumerate(_to_send(content), 1):
        yield (
            f"parts/{number:02}-{part['component_kind']}-{_safe(part['component'])}.txt",
            _sheet(content, part).encode(),
        )
    yield write.JSON_NAME, write.to_json(content).encode("utf-8", "replace")
    yield write.HTML_NAME, write.to_html(content).encode("utf-8", "replace")
    if content["inventory"]:
        yield "inventory.json", (json.dumps(content["inventory"], indent=1) + "\n").encode()
    yield from _outputs(run)
    yield from _photos(run)
    if log := _log(run):
        yield "run.log", log


def _to_send(content: Document) -> list[Document]:
    """The blamed parts; if none is blamed, those with a warning."""
    named = content.get("parts") or []
    return [part for part in named if part["blamed"]] or named


def _outputs(run: Run) -> Iterator[tuple[str, bytes]]:
    """The outputs of tools (SMART and NVMe logs, event log, diagnostics), whole as they are kept, by stage and
    attempt."""
    for row in run.stage_runs.order_by("order", "attempt").only("name", "attempt", "evidence").iterator(chunk_size=1):
        seen: dict[str, int] = {}
        for name, text in row.evidence.items():
            if isinstance(text, str) and text:
                safe = _safe(name)
                seen[safe] = seen.get(safe, 0) + 1
                suffix = f"-{seen[safe]}" if seen[safe] > 1 else ""
                kept = document.without_secrets(text).encode("utf-8", "replace")[:_FILE_MOST]
                yield f"outputs/{row.name}-{row.attempt}/{safe}{suffix}", kept


def _photos(run: Run) -> Iterator[tuple[str, bytes]]:
    """Those whose files are still there."""
    for row in photos.of(run).order_by("pk")[: bounds.PHOTOS.most]:
        path = retention.inside(row.path)
        with suppress(OSError):
            if path and (data := path.read_bytes()[: bounds.PHOTO.most]):
                yield f"photos/{row.name.removeprefix(photos.PREFIX)}", data


def _log(run: Run) -> bytes:
    """The end of the run's log, which has the kernel's messages."""
    try:
        with logs.path(run.pk).open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - LOG_MOST))
            data = file.read(LOG_MOST)
    except OSError:
        return b""
    return data if size <= LOG_MOST else b"(the beginning is left out)\n" + data.partition(b"\n")[2]


def _readme(content: Document) -> str:
    return "\n".join((
        f"Evidence of a hardware test: {_name(content)}",
        "",
        "certificate.txt  the result on one page",
        "parts/           one sheet for each part to be sent in, with what is asked about it",
        "report.html      the whole report; report.json is the same as data",
        "outputs/         what the tools printed: SMART and NVMe logs, the BMC's event log, diagnostics, benchmarks",
        "photos/          what the sender photographed, if anything",
        "run.log          what the host logged during the test, with its kernel's messages",
        "inventory.json   the parts of the host as they were found",
        "",
        f"Every file is listed in {checking.SUMS}. `sha256sum --check {checking.SUMS}` compares them.",
        f"{checking.SUMS}{signing.SUFFIX} is an Ed25519 signature of the list:",
        f"  openssl pkeyutl -verify -pubin -inkey {checking.KEY} -rawin -in {checking.SUMS} "
        f"-sigfile {checking.SUMS}{signing.SUFFIX}",
        f"The key here ({signing.fingerprint(signing.public_key())}) is a copy: have the sender confirm it.",
        "The sender's own notes are not in the pack: put them beside it.",
        "",
    ))  # fmt: skip


def _certificate(content: Document) -> str:
    host, run, verdict = content["host"], content["run"], content["verdict"]
    rows = (
        ("Host", f"{host['name']}, {host['manufacturer']} {host['product']}"),
        ("Serial number", host["serial"] or "not read"),
        ("UUID", host["uuid"] or "not read"),
        ("Tested", f"{run['started_at'] or run['created_at']} to {run['ended_at'] or 'now'} (UTC)"),
        ("Profile", f"{run['profile']}, disks: {run['storage_mode']}"),
        ("After", run["repair"] or "no repair was stated"),
        ("Verdict", (verdict["result"] or "none").upper()),
    )
    lines = [*_table(rows), "", verdict["sentence"], ""]
    for part in content.get("parts") or []:
        lines.append(f"{'BLAMED ' if part['blamed'] else 'Warning'}  {_part_name(part)}: {_to_do(part)}")
    lines += ["", "Stages"]
    lines += [f"  {stage['title']:24} {stage['outcome'].replace('_', ' ') or 'running'}" for stage in content["stages"]]
    if content["not_tested"]:
        lines += ["", "Not tested", *(f"  {_gap(gap)}" for gap in report_words.gathered(content["not_tested"]))]
    return "\n".join([f"Certificate of test: {_name(content)}", "", *lines, ""])


def _gap(gap: Document) -> str:
    """What was not tested for one reason, in how many stages, and why."""
    if not gap["check"]:
        return f"{naming.state_in_words(gap['stage'])}: {gap['reason']}"
    of_part = f" of {gap['component']}" if gap["component"] else ""
    stages = gap["stages"]
    where = stages[0] if len(stages) == 1 else f"{len(stages)} stages"
    return f"{naming.in_words(gap['check'])}{of_part} in {where}: {gap['reason']}"


def _sheet(content: Document, part: Document) -> str:
    """What to say about one part: what it is, what was seen, and the rest that its maker asks for."""
    known = _known(content, part)
    rows = [
        ("Part", f"{parts.in_words(part['component_kind'])} {part['component']}"),
        ("Serial number", part["serial"] or "not read: see its label"),
        ("Seen as", part["place"] or "not in the inventory"),
        *((name.replace("_", " ").capitalize(), known[name]) for name in known),
        ("In", f"{content['host']['name']}, {content['host']['manufacturer']} {content['host']['product']}, "
               f"serial {content['host']['serial'] or 'not read'}"),
        ("Tested", content["run"]["started_at"] or content["run"]["created_at"]),
        ("To do", _to_do(part)),
    ]  # fmt: skip
    lines = ["What was seen"]
    for one in part["findings"]:
        more = f" ({one['number']} times)" if one["number"] > 1 else ""
        lines.append(f"  {one['severity']}: {one['message']}{more} [{one['code']}]")
    lines += ["", "Also asked by makers (fill in)"]
    lines += [f"  {question}: ____________________" for question in _ASKED.get(part["component_kind"], ("model",))]
    return "\n".join([*_table(rows), "", *lines, ""])


def _known(content: Document, part: Document) -> Document:
    """What the inventory says of the part beside its serial number."""
    kind = BY_WORD.get(part["component_kind"])
    listed = (kind.within(content["inventory"] or {}) or []) if kind and kind.keys else []
    found = [one for one in listed if kind and kind.name(one).lower() == part["component"].lower()]
    names = ("manufacturer", "model", "part", "firmware", "speed_mts", "locator", "pci", "wwn", "driver")
    return {name: str(found[0][name]) for name in names if found[0].get(name)} if len(found) == 1 else {}


def _table(rows: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{name + ':':16} {value}" for name, value in rows]


def _name(content: Document) -> str:
    return f"run {content['run']['id']} of {content['host']['name']}"


def _part_name(part: Document) -> str:
    serial = f", serial {part['serial']}" if part["serial"] and part["serial"] != part["component"] else ""
    place = f" ({part['place']})" if part["place"] else ""
    return f"{parts.in_words(part['component_kind'])} {part['component']}{place}{serial}"


def _to_do(part: Document) -> str:
    return f"{report_words.action_words(part['action'])}. {part['why']}"


def _safe(name: str) -> str:
    """A name for a file on any system: no folders, none that begins with a dot, no longer than 80 characters."""
    return _UNSAFE.sub("_", name).strip("._")[:80] or "unnamed"


def _moment(content: Document) -> tuple[int, int, int, int, int, int]:
    """When the report was made: so the same report makes the same pack."""
    at = datetime.fromisoformat(content["generated_at"])
    return at.year, at.month, at.day, at.hour, at.minute, at.second
