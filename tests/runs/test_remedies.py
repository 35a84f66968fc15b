"""A remedy names what its reader can type."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string

from runs.bench import service_state
from runs.wording import remedies
from tests.architecture import imports


def test_a_checkout_has_manage_py_and_make() -> None:
    assert not settings.INSTALLED
    assert remedies.command("runs 7") == "./manage.py runs 7"
    assert remedies.build_image() == "make image"
    assert remedies.restart("web") == "end ./manage.py up, and start it again"
    assert remedies.log_of("worker") == "the output of ./manage.py up"
    assert remedies.stop_all() == "end ./manage.py up"


def test_an_installation_has_its_command_and_units(settings: Any) -> None:
    settings.INSTALLED = True
    assert remedies.command("runs 7") == "vetting runs 7"
    assert remedies.build_image().startswith("deploy/install.sh")
    assert remedies.restart("web") == "systemctl restart vetting-web"
    assert remedies.log_of("worker") == "journalctl -u vetting-worker"
    assert remedies.stop_all() == "systemctl stop vetting-web vetting-worker vetting-keeper.timer"
    assert remedies.start_all() == "systemctl start vetting-web vetting-worker vetting-keeper.timer"


@pytest.mark.django_db
def test_the_warning_about_a_silent_worker_says_how_this_one_is_started(settings: Any) -> None:
    settings.INSTALLED = True
    page = render_to_string("runs/_worker_warning.html", service_state.context())
    assert "<code>systemctl restart vetting-worker</code>" in page
    settings.INSTALLED = False
    page = render_to_string("runs/_worker_warning.html", service_state.context())
    assert "systemctl" not in page and "./manage.py up" in page


@pytest.mark.parametrize(
    "typed",
    ["./manage.py ", "`vetting ", "make image", "systemctl restart vetting-web", "systemctl stop", "systemctl start"],
)
def test_no_message_names_a_command_of_only_a_checkout_or_an_installation(typed: str) -> None:
    """Docstrings may: they are for who reads the code, which is a checkout."""
    spelt = ("runs/wording/remedies.py", "hosts/command_line.py", "vetting/management/commands/completion.py")
    may = {imports.ROOT / name for name in spelt}
    wrong = [
        f"{path}:{number}"
        for package in ("runs", "pxe", "hosts", "notifications", "agentapi", "restapi", "vetting")
        for path in set(imports.files(package)) - may
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if typed in line and not line.lstrip().startswith(('"""', "#"))
    ]
    assert wrong == []
