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
