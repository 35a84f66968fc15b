"""`manage.py judge`: its lines, its exit status, and that a recording is judged as a run judges it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

RECORDED = Path(__file__).parents[1] / "recorded"
KEYS = {"file", "result", "reason", "findings", "checks"}


def judged(*arguments: str | Path) -> tuple[int, list[dict]]:
    out = StringIO()
    status = 0
    try:
        call_command("judge", *map(str, arguments), stdout=out)
    except SystemExit as left:
        status = int(left.code or 0)
    return status, [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_has_the_pinned_shape() -> None:
    file = RECORDED / "nvidia-smi/written-by-schema-v12.xml"
    status, [line] = judged("--kind", "nvidia-smi", file)
    assert status == 0
    assert set(line) == KEYS
    assert line["file"] == str(file)
    assert line["result"] == "failed"
    assert {"severity", "code", "component", "message"} == set(line["findings"][0])
    assert {"name", "component", "result", "reason"} == set(line["checks"][0])


def test_every_file_has_a_line_and_one_that_cannot_be_read_gives_exit_status_1(tmp_path: Path) -> None:
    sound = RECORDED / "smartctl/qemu-q35-sata.json"
    status, lines = judged("--kind", "smartctl", sound, tmp_path / "none.json")
    assert status == 1
    assert [line["file"] for line in lines] == [str(sound), str(tmp_path / "none.json")]
    assert lines[1]["result"] == "not_tested"
    assert "No such file" in lines[1]["reason"]


@pytest.mark.parametrize("kind", ["smartctl", "sel", "sdr", "kmsg", "dmidecode", "nvidia-smi"])
def test_a_recording_of_nothing_is_not_tested(kind: str, tmp_path: Path) -> None:
    contents = [b"", b"# a comment alone\n"]
    # Any line of text may be a kernel's.
    contents += [] if kind == "kmsg" else [b"\x00\xff\xfe garbage \x1b[31m", b"[1, 2]"]
    files = [tmp_path / f"recording-{number}" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    status, lines = judged("--kind", kind, *files)
    assert status == 0
    assert [line["result"] for line in lines] == ["not_tested"] * len(files)
    assert all(line["reason"] for line in lines)


def test_a_module_that_is_expected_and_not_in_the_recording_fails(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("memory: {dimms: [{locator: DIMM_Z9, size_mb: 1024, serial: Z-1}]}\n")
    _, [line] = judged("--kind", "dmidecode", "--expected", spec, RECORDED / "dmidecode/qemu-q35.txt")
    assert line["result"] == "failed"
    assert ("spec.missing", "DIMM_Z9") in {(one["code"], one["component"]) for one in line["findings"]}


def test_an_expected_spec_that_is_wrong_says_where(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("memory:\n  dims: []\n")
    with pytest.raises(CommandError, match=r"spec\.yaml.*line 2"):
        judged("--kind", "dmidecode", "--expected", spec, RECORDED / "dmidecode/qemu-q35.txt")


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(CommandError, match="no-such-profile"):
        judged("--kind", "sel", "--profile", "no-such-profile", RECORDED / "ipmitool/qemu-q35-sel-empty.txt")


# A server's spec: what dmidecode can't tell of stands in it, too.
SPEC = """
system: {serial: SYS-9}
memory:
  total_mb: 65536
  dimms:
  - {locator: P1-DIMMA1, size_mb: 32768, serial: 3A01C1D0}
  - {locator: P1-DIMMA2, size_mb: 129408, serial: 00005A01, ram_mb: 0}
  - {locator: P1-DIMMB1, size_mb: 32768, serial: 3A01C1D1}
  - {locator: P1-DIMMB2, size_mb: 129408, serial: 00005A02, ram_mb: 0}
disks: [{serial: SATA-1, model: Big 4000}]
nics: [{mac: 52:54:00:12:34:56}]
psus: [{name: PSU1}]
pinned: ["disks[SATA-1].model"]
"""
OPTANE = RECORDED / "dmidecode/supermicro-x11-optane-app-direct.txt"


def test_a_recording_of_memory_is_compared_with_what_it_can_tell_of(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    _, [line] = judged("--kind", "dmidecode", "--expected", spec, OPTANE)
    assert (line["result"], line["findings"]) == ("passed", [])
    assert "not compared: system, disks, nics, psus" in line["reason"]
    assert [check["component"] for check in line["checks"] if check["name"] == "dimm"] == [
        "P1-DIMMA1", "P1-DIMMA2", "P1-DIMMB1", "P1-DIMMB2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "result", "codes"),
    [
        ("Size: 32 GB", "Size: No Module Installed", "failed", {"spec.missing"}),
        ("Size: 32 GB", "Size: 16 GB", "failed", {"spec.less"}),
        ("Size: 129408 MB", "Size: No Module Installed", "failed", {"spec.missing"}),
        ("Size: 32 GB", "Size: Unknown", "not_tested", set()),
        ("Size: 32 GB", "Size: 3\ufffd GB", "not_tested", set()),
        ("3A01C1D0", "3A01C1DF", "passed", {"spec.replaced"}),
    ],
)
def test_a_recording_of_a_changed_machine(old: str, new: str, result: str, codes: set[str], tmp_path: Path) -> None:
    spec, changed = tmp_path / "spec.yaml", tmp_path / "changed.txt"
    spec.write_text(SPEC)
    changed.write_text(OPTANE.read_text().replace(f"{old}\n", f"{new}\n", 1))
    _, [line] = judged("--kind", "dmidecode", "--expected", spec, changed)
    assert line["result"] == result
    assert {one["code"] for one in line["findings"]} == codes


def test_every_recording_of_dmidecode_is_as_what_would_be_adopted_from_it() -> None:
    files = sorted((RECORDED / "dmidecode").iterdir())
    status, lines = judged("--kind", "dmidecode", *files)
    assert status == 0
    assert [(line["result"], line["findings"]) for line in lines] == [("passed", [])] * len(files)


def test_a_recording_without_memory_slots_is_not_tested(tmp_path: Path) -> None:
    file = tmp_path / "system.txt"
    file.write_text("Handle 0x0001, DMI type 1, 27 bytes\nSystem Information\n\tSerial Number: SYS-1\n")
    _, [line] = judged("--kind", "dmidecode", file)
    assert (line["result"], line["findings"]) == ("not_tested", [])
    assert "memory" in line["reason"]
