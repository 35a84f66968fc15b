"""The completion script, in a real bash and a real zsh."""

from __future__ import annotations

import io
import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from django.core.management import call_command

from tests import rows
from vetting.management.commands import completion

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed: apt-get install bash")


@pytest.fixture
def manage(tmp_path: Path) -> Path:
    """Answers what it is asked for instead of the database."""
    program = tmp_path / "manage.py"
    program.write_text('#!/bin/sh\n[ "$1 $2" = "completion --values" ] && echo "one-of-$3 other"\n')
    program.chmod(0o755)
    return program


def completed(manage: Path, *words: str) -> list[str]:
    """What Tab offers behind these words, the last of which is being typed."""
    typed = " ".join(f"'{word}'" for word in (str(manage), *words))
    lines = [completion.script("bash"), f"COMP_WORDS=({typed}); COMP_CWORD={len(words)}", "_vetting"]
    script = "\n".join([*lines, 'printf "%s\\n" "${COMPREPLY[@]}"'])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ve"], ["verify", "vet", "vetworker"]),
        (["vet", ""], ["one-of-hosts", "other"]),
        (["vet", "o"], ["one-of-hosts", "other"]),
        (["vet", "host", "--pro"], ["--profile"]),
        (["vet", "host", "--profile", "one"], ["one-of-profiles"]),
        (["hosts", "--health", "b"], ["bad"]),
        (["runs", "--verdict", "in"], ["incomplete"]),
        (["runs", "one"], ["one-of-runs"]),
        (["runs", "--host", "one"], ["one-of-hosts"]),
        (["hold", "one"], ["one-of-held-runs"]),
        (["run", "ca"], ["cancel"]),
        (["run", "cancel", "one"], ["one-of-runs"]),
        (["run", "again", "1", "--pro"], ["--profile"]),
        (["host", "edit", "o"], ["one-of-hosts", "other"]),
        (["host", "add", "new", "--wake", "op"], ["operator"]),
        (["nonsense", ""], []),
    ],
)
def test_tab_offers_what_comes_next(manage: Path, words: list[str], offered: list[str]) -> None:
    assert completed(manage, *words) == offered


class Zsh:
    """One that somebody types into, without any configuration but ours."""

    def __init__(self, folder: Path) -> None:
        environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(folder)}
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
        self.pid = pid

    def type_until(self, keys: str, answer: str, limit_s: float = 20) -> None:
        os.write(self.terminal, keys.encode())
        said, end = b"", time.monotonic() + limit_s
        while answer.encode() not in said:
            left_s = end - time.monotonic()
            assert left_s > 0 and select.select([self.terminal], [], [], left_s)[0], said.decode(errors="replace")
            said += os.read(self.terminal, 4096)

    def close(self) -> None:
        os.close(self.terminal)  # hangs up
        os.waitpid(self.pid, 0)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed: apt-get install zsh")
@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("vet ot\t", "vet other"),
        ("hosts --hea\tgo\t", "hosts --health good"),
        ("vet host --profile ot\t", "vet host --profile other"),
        ("runs --verd\tinc\t", "runs --verdict incomplete"),
    ],
)
def test_tab_writes_it_out_in_zsh(manage: Path, typed: str, run: str) -> None:
    manage.write_text('#!/bin/sh\n[ "$2" = --values ] && echo "one-of-$3 other" || echo "ran: $*"\n')
    (manage.parent / "script").write_text(completion.script("zsh"))
    zsh = Zsh(manage.parent)
    try:
        zsh.type_until("autoload -U compinit && compinit -u -D && source ./script && echo rea''dy\n", "ready")
        zsh.type_until(f"./manage.py {typed}\n", f"ran: {run}\r\n")
    finally:
        zsh.close()


def test_every_command_of_ours_is_offered(manage: Path) -> None:
    here = {file.stem for file in Path().glob("*/management/commands/*.py") if file.stem != "__init__"}
    assert here <= set(completed(manage, ""))


@pytest.mark.django_db
def test_names_are_those_of_the_database() -> None:
    run = rows.a_run(rows.a_host("pve-7"), state="FailedHolding")
    for kind, names in {"hosts": ["pve-7"], "runs": [str(run.pk)], "held-runs": [str(run.pk)]}.items():
        out = io.StringIO()
        call_command("completion", "--values", kind, stdout=out)
        assert out.getvalue().split() == names
