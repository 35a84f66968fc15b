"""The command line as a whole: what it lists, how a wrong call ends, and what `--version` says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, get_commands

from runs.desk import following
from runs.management.commands import vet
from vetting import commandline, version
from vetting.commandline import CommandLine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    """`call(*words)`: exit status, standard output, standard error."""

    def called(*words: str) -> tuple[int, str, str]:
        status = 0
        try:
            CommandLine(["./manage.py", *words]).execute()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        out, err = capsys.readouterr()
        return status, out, err

    return called


def test_the_help_lists_our_commands_and_none_of_djangos(call: Any) -> None:
    status, out, _ = call("--help")
    shown = set(re.findall(r"^  (\w+) ", out, re.M))
    ours = {file.stem for file in ROOT.glob("*/management/commands/*.py") if file.stem != "__init__"}
    assert (status, shown) == (0, ours | {"migrate"})
    assert "django" not in out.lower() and "shell" not in shown
    assert call()[1] == call("help")[1] == out


def test_every_command_of_the_groups_is_there() -> None:
    there = get_commands()
    assert [name for names in commandline.GROUPS.values() for name in names if name not in there] == []


def test_the_help_of_a_command_has_no_option_of_django(call: Any) -> None:
    _, out, _ = call("vet", "--help")
    assert "--profile" in out and "--settings" not in out and "--traceback" not in out
    assert "--settings" not in call("help", "run")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("vett", "pve-1"), "there is no command 'vett'; did you mean 'vet'?"),
        (("shel",), "there is no command 'shel'"),
        (("vet", "pve-1", "--profil", "x", "--lgo"), "unrecognized arguments: --lgo; did you mean '--log'?"),
        (("run", "cancle", "4"), "invalid choice: 'cancle'"),
        (("run", "cancle", "4"), "did you mean 'cancel'?"),
        (("hosts", "--state", "hold"), "did you mean 'held'?"),
        (("run", "cancel", "four"), "invalid int value: 'four'"),
        (("run",), "VERB"),
        (("doctor", "--jsn"), "did you mean '--json'?"),
    ],
)
def test_a_wrong_call_ends_with_4_and_what_was_meant(call: Any, words: tuple[str, ...], says: str) -> None:
    status, _, err = call(*words)
    assert status == commandline.EXIT_USAGE == following.EXIT_USAGE
    assert says in err


def test_a_refusal_is_a_sentence_and_names_no_class(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise CommandError("it is not so", returncode=4)

    monkeypatch.setattr(vet.Command, "handle", refuse)
    monkeypatch.setattr(vet.Command, "requires_system_checks", [])
    assert call("vet", "pve-1") == (4, "", "it is not so\n")


def test_a_wrong_configuration_is_said_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        @property
        def INSTALLED_APPS(self) -> None:
            raise ImproperlyConfigured("vetting.yaml, line 3: dispacher: not known")

        INSTALLED = INSTALLED_APPS

    monkeypatch.setattr(commandline, "settings", Wrong())
    with pytest.raises(SystemExit) as end:
        CommandLine(["./manage.py", "vet"]).execute()
    assert end.value.code == "The configuration is wrong:\nvetting.yaml, line 3: dispacher: not known"


def test_an_installation_calls_itself_vetting(settings: Any, call: Any) -> None:
    settings.INSTALLED = True
    assert "usage: vetting COMMAND" in call("help")[1]
    assert "usage: vetting vet " in call("vet", "--help")[1]


def test_the_exit_statuses_of_the_docs_are_those_of_the_help() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    assert re.findall(r"^\| (\d+) \| (.*) \|$", page, re.M) == [
        (str(status), words) for status, words in commandline.EXITS.items()
    ]


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == version.VERSION


def test_the_version_says_commit_and_image(settings: Any, tmp_path: Path, call: Any) -> None:
    settings.BASE_DIR, settings.IMAGE_DIR = tmp_path, tmp_path / "image"
    version.commit.cache_clear()
    assert version.sentence() == f"Vetting {version.VERSION}, commit unknown, no live image"
    (tmp_path / "COMMIT").write_text("0123456789abcdef0123456789abcdef01234567-changed\n")
    settings.IMAGE_DIR.mkdir()
    (settings.IMAGE_DIR / "manifest.json").write_text(json.dumps({"inputs_sha256": "fe" * 32, "level": "small"}))
    version.commit.cache_clear()
    said = f"Vetting {version.VERSION}, commit 0123456789ab-changed, image fefefefefefe (small)"
    assert version.sentence() == said
    assert call("--version") == (0, f"{said}\n", "")
    (tmp_path / "COMMIT").write_text("<script>")
    version.commit.cache_clear()
    assert "commit unknown" in version.sentence()
    version.commit.cache_clear()


def advised() -> dict[str, str]:
    """Each command that a message, a page or the docs tell somebody to call, and where."""
    found: dict[str, str] = {}
    for package in ("runs", "pxe", "hosts", "notifications", "agentapi", "restapi", "vetting"):
        for path in (ROOT / package).rglob("*.py"):
            names = re.findall(r"remedies\.command\(\s*f?[\"']([a-z_]+)", path.read_text())
            found |= dict.fromkeys(names, str(path))
    for path in (*ROOT.glob("docs/*.md"), ROOT / "README.md"):
        text = path.read_text()
        names = re.findall(r"`(?:sudo )?(?:vetting|(?:\./)?manage\.py) ([a-z_]+)", text)
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
            names += re.findall(r"^(?:sudo )?(?:vetting|\./manage\.py) ([a-z_]+)", block, re.M)
        found |= dict.fromkeys(names, str(path))
    return found


def test_nothing_advises_a_command_that_does_not_exist() -> None:
    assert {"doctor", "setup", "vet", "backup"} <= advised().keys()
    assert {name: where for name, where in advised().items() if name not in get_commands()} == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("machines", "--forget", "nowhere"), "no machine is called nowhere"),
        (("admin_user", "nobody", "--keep-password"), "there is no account nobody"),
        (("notify_test",), "nothing to test"),
        (("api_token", "make", "nobody", "x"), "there is no account nobody"),
        (("api_token", "revoke"), "usage: ./manage.py api_token revoke ACCOUNT NAME"),
        (("doctor", "--repair", "close_hold"), "did you mean 'close_holds'?"),
        (("hold", "999", "--key-file", "-"), "there is no run 999; there is none yet"),
        (("runs", "999"), "there is no run 999"),
        (("hosts", "nobody"), "there is no host 'nobody'"),
        (("host", "edit", "nobody", "--disable"), "there is no host 'nobody'"),
        (("report", "999"), "there is no run 999"),
        (("export", "999", "junit.xml"), "there is no run 999"),
    ],
)
def test_what_is_not_there_ends_with_4_in_every_command(call: Any, words: tuple[str, ...], says: str) -> None:
    status, _, err = call(*words)
    assert (status, says in err) == (commandline.EXIT_USAGE, True), err
