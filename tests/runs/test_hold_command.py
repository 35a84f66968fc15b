"""`hold RUN`: the key of a held host goes to whoever asks first, whole, and nowhere else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from runs import hold
from runs.models import HoldSession, Run
from tests import factories

Capsys = pytest.CaptureFixture[str]
pytestmark = pytest.mark.django_db


@pytest.fixture
def held() -> Run:
    run = factories.held()
    HoldSession.objects.filter(run=run).update(address="10.77.0.23", port=2222)
    return run


def test_the_key_is_in_the_file_and_the_command_names_it(held: Run, tmp_path: Path, capsys: Capsys) -> None:
    key = hold.unseal(hold.current(held))
    path = tmp_path / "key of pve"
    call_command("hold", held.pk, key_file=str(path))
    assert path.read_text() == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    options = f"-o IdentitiesOnly=yes -o HostKeyAlias=vetting-run-{held.pk}"
    assert capsys.readouterr().out == f"ssh -i '{path}' {options} -p 2222 root@10.77.0.23\n"


def test_to_standard_output_goes_the_key_alone(held: Run, capsys: Capsys) -> None:
    key = hold.unseal(hold.current(held))
    call_command("hold", held.pk, key_file="-")
    said = capsys.readouterr()
    assert said.out == key
    assert said.err.startswith(f"ssh -i vetting-run-{held.pk}.key ")


def test_the_second_who_asks_gets_no_file_and_is_told_how_to_get_a_key(held: Run, tmp_path: Path) -> None:
    call_command("hold", held.pk, key_file=str(tmp_path / "first"))
    with pytest.raises(CommandError, match="New key"):
        call_command("hold", held.pk, key_file=str(tmp_path / "second"))
    assert not (tmp_path / "second").exists()
    call_command("hold", held.pk, key_file=str(tmp_path / "third"), new_key=True)
    assert (tmp_path / "third").read_text() != (tmp_path / "first").read_text()


def test_a_file_that_is_there_is_kept_and_the_key_stays_to_be_taken(held: Run, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("mine")
    with pytest.raises(CommandError, match="File exists; the key was not taken"):
        call_command("hold", held.pk, key_file=str(path))
    assert path.read_text() == "mine"
    assert hold.current(held).private_key_sealed


def test_a_host_that_has_not_said_where_it_is_gives_no_command(held: Run, tmp_path: Path, capsys: Capsys) -> None:
    HoldSession.objects.filter(run=held).update(address=None)
    call_command("hold", held.pk, key_file=str(tmp_path / "key"))
    assert capsys.readouterr().out == f"the host has not said yet where to log in: see the page of run {held.pk}\n"


def test_a_run_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as error:
        call_command("hold", 77, key_file=str(tmp_path / "key"))
    assert error.value.returncode == 4
    assert not (tmp_path / "key").exists()
