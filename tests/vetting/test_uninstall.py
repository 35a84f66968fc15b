"""`uninstall`: says what it would remove, removes what install.sh made, and leaves data unless it is told otherwise."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from vetting import uninstall
from vetting.management.commands import uninstall as command
from vetting.uninstall import Places

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """An installation as install.sh leaves it, and something of others beside each of its files."""
    of = Places(
        base=tmp_path / "opt", conf=tmp_path / "etc", data=tmp_path / "lib", memory=tmp_path / "shm" / "vetting-1",
        units=tmp_path / "units", command=tmp_path / "bin" / "vetting", completion=tmp_path / "completion" / "vetting",
    )  # fmt: skip
    for path in (of.base / "app", of.conf, of.data / "runs", of.memory, of.units / "multi-user.target.wants"):
        path.mkdir(parents=True)
    for path in (of.command, of.completion, of.units / "ssh.service", of.command.with_name("ls")):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for unit in (ROOT / "deploy/systemd").iterdir():
        (of.units / unit.name).touch()
    (of.units / "multi-user.target.wants" / "vetting-iperf3@5201.service").symlink_to(
        of.units / "vetting-iperf3@.service"
    )
    (of.conf / "secrets.env").touch()
    monkeypatch.setattr(command, "places", lambda: of)
    monkeypatch.setattr(command, "_busy", lambda places: "")
    monkeypatch.setattr(command.os, "geteuid", lambda: 0)
    return of


@pytest.fixture(autouse=True)
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """No test may touch this machine's own units or users."""
    words_of: list[tuple[str, ...]] = []
    monkeypatch.setattr(uninstall, "_run", lambda *words: words_of.append(words))
    return words_of


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("uninstall", *words, stdout=out)
    return out.getvalue()


def everything(under: Path) -> set[str]:
    return {str(path.relative_to(under)) for path in under.rglob("*")}


def test_without_yes_it_only_says_what_it_would_do(places: Places, tmp_path: Path, called: list[Any]) -> None:
    before = everything(tmp_path)
    text = said("--purge")
    assert f"would: remove {places.base} (code, libraries and live image)" in text
    assert f"would: remove {places.data} (database, logs, reports, and the backups that lie there)" in text
    assert "Nothing was removed: --yes does it." in text
    assert everything(tmp_path) == before and called == []


def test_data_and_configuration_stay(places: Places, tmp_path: Path, called: list[tuple[str, ...]]) -> None:
    text = said("--yes")
    assert (
        f"Data and backups in {places.data}, configuration and secrets in {places.conf} and user vetting stay." in text
    )
    files = {path for path in everything(tmp_path) if "vetting" in path and "wants" not in path}
    assert files == set(), "no unit, command or completion of ours is left"
    assert not places.base.exists() and not places.memory.exists()
    assert (places.data / "runs").is_dir() and (places.conf / "secrets.env").exists()
    assert (places.units / "ssh.service").exists() and places.command.with_name("ls").exists()
    disabled = [words[-1] for words in called if words[:3] == ("systemctl", "disable", "--now")]
    assert "vetting-iperf3@5201.service" in disabled and disabled.index("vetting-keeper.timer") == 0
    assert ("systemctl", "daemon-reload") in called and ("userdel", "vetting") not in called


def test_purge_takes_data_configuration_and_user(places: Places, called: list[tuple[str, ...]]) -> None:
    text = said("--yes", "--purge")
    assert not places.data.exists() and not places.conf.exists()
    assert called[-1] == ("userdel", "vetting") and "Data and backups" not in text
    said("--yes", "--purge")


def test_every_unit_that_is_installed_is_stopped() -> None:
    shipped = {path.name for path in (ROOT / "deploy/systemd").iterdir()}
    assert shipped - set(uninstall._UNITS) == {"vetting-iperf3@.service", "vetting-keeper.service"}


def test_while_runs_go_on_it_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_busy", lambda of: "runs go on, or hosts are held: pve-1")
    with pytest.raises(CommandError, match="pve-1; --anyway removes it") as refused:
        said("--yes")
    assert refused.value.returncode == 4 and places.base.exists()
    said("--yes", "--anyway")
    assert not places.base.exists()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo '[]'", ""),
        ('echo \'[{"host": "pve-2"}, {"host": "pve-1"}]\'', "runs go on, or hosts are held: pve-1, pve-2"),
        ("exit 1", "it can't be read whether runs go on"),
        ("echo nonsense", "it can't be read whether runs go on"),
    ],
)
def test_whether_runs_go_on_is_read_positively(tmp_path: Path, script: str, says: str) -> None:
    program = tmp_path / "vetting"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    of = Places(base=tmp_path, conf=tmp_path, data=tmp_path, memory=tmp_path, command=program)
    assert command._busy(of) == says
    assert command._busy(Places(tmp_path, tmp_path, tmp_path, tmp_path, command=tmp_path / "gone")) != ""


def test_a_checkout_is_no_installation() -> None:
    with pytest.raises(CommandError, match="this is a checkout"):
        said()


def test_only_root_may(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.os, "geteuid", lambda: 1000)
    with pytest.raises(CommandError, match="only root"):
        said("--yes")
