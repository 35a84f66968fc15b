"""Profiles: what loads, what is refused and where the error points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from runs import disk_writes
from runs.profiles import estimate, semantics
from runs.profiles import load as profiles
from runs.stages import AGENT_STAGES

QUICK = """\
name: quick
title: Quick look
description: About ten minutes.
storage: {mode: read}
sensors:
  cpu_temp_max_c: 95
stages:
  InventoryCheck: {timeout_s: 120}
  CPUStress:
    timeout_s: 300
    required: [cpu.stress]
    params:
      duration_s: 120
      verify: true
    limits:
      throughput_drop_percent: 10
  Memory:
    timeout_s: 300
    expected_s: 60
"""
WRITE = """\
name: quick-write
title: Quick look that writes
extends: quick
storage: {mode: write}
"""


def take_any_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """For profiles as short as these: nobody asks what their stages read."""
    monkeypatch.setattr(semantics, "lacking", lambda profile: ())
    monkeypatch.setattr(semantics, "senseless", lambda profile: ())


@pytest.fixture
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, with nothing shipped beside it."""
    monkeypatch.setattr(profiles, "SHIPPED", tmp_path / "shipped")
    take_any_values(monkeypatch)
    settings.VETTING = settings.VETTING.model_copy(update={"profiles_dir": tmp_path})
    (tmp_path / "quick.yaml").write_text(QUICK)
    (tmp_path / "quick-write.yaml").write_text(WRITE)
    return tmp_path


def refusal(folder: Path, text: str, name: str = "mine") -> str:
    (folder / f"{name}.yaml").write_text(text)
    with pytest.raises(profiles.ProfileError) as caught:
        profiles.load(name)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_profile_loads_with_its_defaults(folder: Path) -> None:
    profile = profiles.load("quick")
    assert profile["on_failure"] == "hold"
    assert profile["stages"]["CPUStress"]["params"] == {"duration_s": 120, "verify": True}
    assert profile["stages"]["InventoryCheck"] == {"timeout_s": 120.0, "required": [], "params": {}, "limits": {}}


def test_a_profile_that_extends_another_differs_in_what_it_says(folder: Path) -> None:
    quick, write = profiles.load("quick"), profiles.load("quick-write")
    differing = {key for key in quick if quick[key] != write[key]}
    assert differing == {"name", "title", "storage"}
    assert write["storage"] == {"mode": "write"}
    assert "extends" not in write


def test_extending_merges_mappings_and_replaces_lists(folder: Path) -> None:
    stages = "stages: {CPUStress: {required: [], params: {duration_s: 7}}}"
    (folder / "short.yaml").write_text(f"name: short\ntitle: Short\nextends: quick\n{stages}\n")
    stress = profiles.load("short")["stages"]["CPUStress"]
    assert stress["params"] == {"duration_s": 7, "verify": True}
    assert stress["required"] == []
    assert "Memory" in profiles.load("short")["stages"]


def test_ones_own_profile_replaces_a_shipped_one(folder: Path) -> None:
    (folder / "shipped").mkdir()
    (folder / "shipped" / "quick.yaml").write_text(QUICK.replace("Quick look", "Shipped"))
    (folder / "shipped" / "deep.yaml").write_text(QUICK.replace("quick", "deep", 1))
    assert profiles.titles() == {"deep": "Quick look", "quick": "Quick look", "quick-write": "Quick look that writes"}


def test_a_broken_profile_does_not_hide_the_others(folder: Path) -> None:
    (folder / "bad.yaml").write_text("name: bad\n")
    titles = profiles.titles()
    assert titles["quick"] == "Quick look"
    assert titles["bad"].startswith("bad (broken: ")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("timeout_s: 120", "timeout_s: soon", 8, "stages.InventoryCheck.timeout_s"),
        ("timeout_s: 120", "timeout_s: -1", 8, "greater than 0"),
        ("verify: true", "verify: {a: 1}", 14, "stages.CPUStress.params.verify"),
        ("InventoryCheck:", "Inventry:", 8, "no stage of a profile"),
        ("  Memory:", "  SpecValidate:", 17, "no stage of a profile"),
        ("mode: read", "mode: wipe", 4, "storage.mode"),
        ("description:", "descripton:", 3, "descripton: is not known here; did you mean 'description'?"),
        ("  Memory:", "  Memroy:", 17, "did you mean 'Memory'?"),
        ("timeout_s: 120", "timout_s: 1, timeout_s: 120", 8, "is not known here; did you mean 'timeout_s'?"),
        ("cpu_temp_max_c", "cpu_temp_maxx_c", 6, "no sensor limit"),
        ("title: Quick look\n", "", 1, "title: is missing"),
        ("name: quick", "name: quick\nname: quick", 2, "stands here twice"),
    ],
)
def test_an_error_names_file_line_and_place(folder: Path, old: str, new: str, line: int, words: str) -> None:
    text = QUICK.replace(old, new, 1).replace("name: quick", "name: mine")
    message = refusal(folder, text)
    assert f"mine.yaml, line {line}: " in message
    assert words in message
    assert message.count("\n") == 0


def test_an_error_in_what_is_extended_points_at_that_file(folder: Path) -> None:
    (folder / "quick.yaml").write_text(
        QUICK.replace("mode: read", "mode: wipe").replace("timeout_s: 120", "timeout_s: 0")
    )
    message = refusal(folder, "name: mine\ntitle: Mine\nextends: quick\n")
    assert "quick.yaml, line 4: storage.mode" in message
    assert "quick.yaml, line 8: stages.InventoryCheck.timeout_s" in message


def test_a_name_other_than_the_files_is_refused(folder: Path) -> None:
    assert "name must be mine, as the file is called" in refusal(folder, QUICK)


def test_a_circle_is_refused(folder: Path) -> None:
    (folder / "quick.yaml").write_text("name: quick\ntitle: Q\nextends: quick-write\n")
    with pytest.raises(profiles.ProfileError, match="in a circle: quick → quick-write → quick"):
        profiles.load("quick")


@pytest.mark.parametrize("name", ["nothing", "../quick", "", "/etc/passwd", "Quick"])
def test_an_unknown_profile_names_those_that_are_there(folder: Path, name: str) -> None:
    with pytest.raises(profiles.ProfileError, match="there are: quick, quick-write"):
        profiles.load(name)


def test_overrides_replace_values_in_a_copy(folder: Path) -> None:
    quick = profiles.load("quick")
    changed = profiles.apply_overrides(quick, {"stages.CPUStress.params.duration_s": 5, "on_failure": "continue"})
    assert changed["stages"]["CPUStress"]["params"]["duration_s"] == 5
    assert changed["on_failure"] == "continue"
    assert quick["stages"]["CPUStress"]["params"]["duration_s"] == 120


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("stages.CPU.params.duration_s", 5, "in stages there are InventoryCheck, CPUStress, Memory"),
        ("stages.CPUStress.params.seconds", 5, "in stages.CPUStress.params there are duration_s, verify"),
        ("stages.CPUStress.params.duraton_s", 5, "did you mean 'duration_s'?"),
        ("stages.Memroy.timeout_s", 5, "did you mean 'Memory'?"),
        ("title.more", "x", "in title is the value 'Quick look'"),
        ("stages.CPUStress.params.duration_s", "5", "give a number"),
        ("stages.CPUStress.params.verify", 1, "give a boolean"),
        ("storage.mode", "wipe", "storage"),
        ("stages.CPUStress.timeout_s", -5, "greater than 0"),
        ("name", "other", "keeps its name"),
    ],
)
def test_an_override_that_fits_nothing_is_refused(folder: Path, path: str, value: Any, words: str) -> None:
    with pytest.raises(profiles.ProfileError) as caught:
        profiles.apply_overrides(profiles.load("quick"), {path: value})
    assert words in str(caught.value)


def a_disk(serial: str, may_be_written: bool) -> dict[str, Any]:
    return {"serial": serial, "wwn": "", "bus": "sata", "size_mb": 256, "may_be_written": may_be_written}


def test_what_is_written_names_the_disks(folder: Path) -> None:
    disks = [a_disk("A", True), a_disk("B", False)]
    assert disk_writes.what_is_written(profiles.load("quick"), disks) == ["Nothing is written to any disk."]
    assert disk_writes.what_is_written(profiles.load("quick-write"), disks) == [
        "Everything on disk A (sata, 268 MB) is destroyed; 268 MB of it is written twice, with patterns and with "
        "zeros.",
        "1 other expected disk is only read.",
    ]
    assert "no disk of this host is allowed" in disk_writes.what_is_written(profiles.load("quick-write"), disks[1:])[0]


@pytest.mark.parametrize(
    ("may_be_written", "words"),
    [
        ((True, False), "destroys what is on 1 disk"),
        ((True, True), "destroys what is on 2 disks"),
        ((False,), "would write, but no disk is allowed to be written"),
    ],
)
def test_what_is_lost_is_told_at_a_glance(may_be_written: tuple[bool, ...], words: str) -> None:
    disks = [a_disk(str(number), may) for number, may in enumerate(may_be_written)]
    assert disk_writes.lost_at_a_glance(disks) == words


def test_a_large_disk_is_told_by_the_size_on_its_label() -> None:
    disk = {**a_disk("A", True), "bus": "nvme", "size_mb": 1_831_420}
    assert disk_writes.what_is_lost(profiles.load("quick-write"), [disk])[0].startswith(
        "Everything on disk A (nvme, 1.9 TB) is destroyed;"
    )


# --- the profiles that ship ---------------------------------------------------------------------------------------

SHIPPED = ("quick", "deep", "soak")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_reads_and_its_write_form_differs_in_that_alone(name: str) -> None:
    reads, writes = profiles.load(name), profiles.load(f"{name}-write")
    assert (reads["storage"], writes["storage"]) == ({"mode": "read"}, {"mode": "write"})
    assert {key for key in reads if reads[key] != writes[key]} <= {"name", "title", "description", "storage"}


@pytest.mark.parametrize(("name", "hours"), [("quick", (0, 0.34)), ("deep", (8, 12)), ("soak", (36, 40))])
def test_a_shipped_profile_takes_about_as_long_as_it_says(name: str, hours: tuple[float, float]) -> None:
    assert hours[0] <= estimate.total_s(profiles.load(name)) / 3600 <= hours[1]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_has_every_stage_of_the_agent(name: str) -> None:
    assert set(profiles.load(name)["stages"]) == {stage.name for stage in AGENT_STAGES}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "duraton_s: 10",
            "mine.yaml, line 7: stages.CPUStress.params.duraton_s: is read by no stage; CPUStress reads ",
        ),
        ("duration_s: -1", "mine.yaml, line 7: stages.CPUStress.params.duration_s: can't be below 0 (given: -1)"),
        (
            "duration_s: 600",
            "mine.yaml, line 7: stages.CPUStress.params.duration_s: must be less than the stage's timeout",
        ),
    ],
)
def test_a_value_that_can_not_be_meant_is_refused_with_its_line(
    value: str, words: str, tmp_path: Path, settings: Any
) -> None:
    settings.VETTING = settings.VETTING.model_copy(update={"profiles_dir": tmp_path})
    text = f"name: mine\ntitle: Mine\nextends: quick\nstages:\n  CPUStress:\n    params:\n      {value}\n"
    assert words in refusal(tmp_path, text)


SHIPPED_QUICK = (Path(profiles.__file__).parent / "quick.yaml").read_text()
VALUES = [
    (stage, kind, name)
    for stage, part in yaml.safe_load(SHIPPED_QUICK)["stages"].items()
    for kind in ("limits", "params")
    for name in part.get(kind, ())
]


@pytest.mark.parametrize(("stage", "kind", "name"), VALUES)
def test_a_profile_without_a_value_that_a_stage_reads_is_refused(stage: str, kind: str, name: str) -> None:
    """It would be found out on the host, where what the limit is for has been worked for hours and is not judged."""
    data = yaml.safe_load(SHIPPED_QUICK)
    del data["stages"][stage][kind][name]
    text = yaml.safe_dump(data, sort_keys=False)
    with pytest.raises(profiles.ProfileError) as caught:
        profiles.parse(text, "mine.yaml")
    lines = text.splitlines()
    stage_line = lines.index(f"  {stage}:")
    line = 1 + lines.index(f"    {kind}:" if data["stages"][stage][kind] else f"    {kind}: {{}}", stage_line)
    assert str(caught.value) == (
        f"mine.yaml, line {line}: stages.{stage}.{kind}.{name}: is missing, and {stage} reads it; "
        "`extends: quick` brings it"
    )


def test_a_profile_of_few_stages_needs_the_values_of_those_only() -> None:
    data = yaml.safe_load(SHIPPED_QUICK)
    data["stages"] = {"Firmware": data["stages"]["Firmware"], "GPU": data["stages"]["GPU"]}
    assert list(profiles.parse(yaml.safe_dump(data), "mine.yaml")["stages"]) == ["Firmware", "GPU"]
