"""The wake driver `command`: real programs, which get the host's name and nothing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hosts import wakemethods, wakeoptions
from hosts.models import Host
from hosts.wakemethods import Verb
from pxe.wake import power
from pxe.wake.shape import WakeProblem
from tests.pxe.bmc import MEANT
from tests.rows import a_host
from vetting import config

pytestmark = pytest.mark.django_db
MAC = "52:54:00:00:00:01"


@pytest.fixture
def socket(settings: Any, tmp_path: Path) -> Any:
    """Configures a command of that name, of one script: `socket(what the script does)`."""

    def configure(script: str, **more: Any) -> Host:
        program = tmp_path / "socket"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        verbs = {verb: [str(program), verb, "{name}", "{mac}"] for verb in ("power_on", "power_off", "status")}
        commands = {"socket": {**verbs, **more}}
        settings.VETTING = config.parse({"wake": {"commands": commands}}, "test")
        return a_host(mac=MAC, wake_method="command", wake_options={"command": "socket"})

    return configure


def test_each_verb_calls_its_program_with_the_hosts_name_and_mac(socket: Any, tmp_path: Path) -> None:
    said = tmp_path / "said"
    host = socket(f'echo "$*" >> {said}; [ "$1" = status ] && echo off; exit 0')
    assert power.wake(host) == "command socket: power on (A command)"
    assert power.act(host, Verb.OFF, MEANT) == "command socket: power off (A command)"
    words = [line.split() for line in said.read_text().splitlines()]
    assert words == [[verb, "node-1", MAC] for verb in ("status", "power_on", "power_off")]


@pytest.mark.parametrize(("said", "is_on"), [("on", True), ("OFF", False), ("unavailable", None), ("", None)])
def test_status_is_what_the_first_word_says_and_nothing_else(socket: Any, said: str, is_on: bool | None) -> None:
    assert power.is_on(socket(f"echo {said}")) is is_on


def test_a_verb_that_is_not_configured_is_neither_offered_nor_done(socket: Any) -> None:
    host = socket("exit 0")
    assert wakemethods.verbs("command", host.wake_options) == (Verb.ON, Verb.OFF, Verb.STATUS)
    with pytest.raises(WakeProblem, match="has no cycle, only on, off, status"):
        power.act(host, Verb.CYCLE, MEANT)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no such switch >&2; exit 7", 'status 7: .*; it says: "no such switch"'),
        ("yes", "it said too much"),
        ("sleep 30", "not done within 1 s"),
    ],
)
def test_a_program_that_fails_is_a_problem_in_its_own_words(socket: Any, script: str, words: str) -> None:
    with pytest.raises(WakeProblem, match=words):
        power.act(socket(script, timeout_s=1), Verb.ON, MEANT)


def test_it_gets_none_of_our_environment(socket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VETTING_SECRET_KEY", "sesame")
    power.act(socket(f"env > {tmp_path}/env"), Verb.ON, MEANT)
    assert "VETTING" not in (tmp_path / "env").read_text()


def test_no_shell_reads_the_arguments(socket: Any, tmp_path: Path) -> None:
    host = socket("exit 0", power_on=["/bin/echo", f"$(touch {tmp_path}/made)", "; touch {name}"])
    power.act(host, Verb.ON, MEANT)
    assert not (tmp_path / "made").exists()


def test_a_hosts_name_cannot_become_an_option(socket: Any) -> None:
    host = socket("exit 0")
    host.name = "-rf"
    with pytest.raises(WakeProblem, match="would be an option of the program"):
        power.act(host, Verb.ON, MEANT)


def test_a_host_can_name_no_program_of_its_own(socket: Any) -> None:
    host = socket("exit 0")
    host.wake_options = {"command": "/bin/sh"}
    with pytest.raises(WakeProblem, match=r"one of wake\.commands in vetting\.yaml: socket"):
        power.act(host, Verb.ON, MEANT)


@pytest.mark.parametrize(("name", "is_known"), [("socket", True), ("sokcet", False), ("/bin/sh", False)])
def test_a_form_and_an_import_take_only_the_name_of_a_command(socket: Any, name: str, is_known: bool) -> None:
    socket("exit 0")
    assert (wakeoptions.problems("command", {"command": name}) == []) is is_known


@pytest.mark.parametrize(
    "command", [{"power_on": ["curl"]}, {"power_on": []}, {"status": ["/bin/true"]}, {"power_on": "/bin/true"}]
)
def test_a_wrong_command_stops_the_start(command: dict[str, Any]) -> None:
    with pytest.raises(config.ConfigError, match="wake"):
        config.parse({"wake": {"commands": {"socket": command}}}, "test")
