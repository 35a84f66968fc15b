"""A machine whose firmware says HTML, script, escape codes and right-to-left marks: text on every page about hosts."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from agent.contract import codec, wire
from hosts import adoption
from runs import adopting
from runs.desk import following, terminal
from runs.models import Run
from tests import rows
from tests.runs.test_specdiff import SERVER

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'\x1b[31m\u202eevil\u202c[bold]"


@pytest.fixture
def run() -> Run:
    """Two runs of a host whose firmware says all that; the later found another module."""
    found = replace(
        SERVER,
        system=wire.System(EVIL, EVIL, EVIL, "11111111-2222-3333-4444-555555555555", EVIL, EVIL),
        disks=[replace(SERVER.disks[0], model=EVIL, serial=EVIL)],
        memory=replace(SERVER.memory, dimms=[replace(SERVER.memory.dimms[0], locator=EVIL, part=EVIL)]),
        fans=[wire.Fan(EVIL, 5000)],
    )
    host = rows.a_host(expected=adoption.from_inventory(codec.encode(found)), notes=EVIL)
    before = rows.a_run(host, inventory=codec.encode(found), repair=EVIL, expected=host.expected)
    rows.a_stage(before, "Storage", numbers={f"seq_read_mb_s.{EVIL}": 500.0})
    dimms = [replace(found.memory.dimms[0], serial=EVIL)]
    after = codec.encode(replace(found, memory=replace(found.memory, dimms=dimms), firmware=wire.Firmware(EVIL)))
    run = rows.a_run(host, inventory=after, stopped_by=EVIL, expected=host.expected, profile_name=EVIL[:60])
    stage = rows.a_stage(run, "Storage", numbers={f"seq_read_mb_s.{EVIL}": 100.0}, reason=EVIL)
    rows.a_finding(stage, EVIL, component=EVIL)
    compared = rows.a_stage(run, "SpecValidate", outcome="failed")
    for d in adopting.against(host.expected, run):
        run.spec_diffs.create(
            stage_run=compared, path=d.path[:200], severity=d.severity, expected=d.expected, actual=d.actual,
            message=d.message,
        )  # fmt: skip
    assert run.spec_diffs.exists()
    return run


@pytest.mark.parametrize(
    "page", ["host", "compare", "spec", "adopt", "run", "admin list", "admin form", "admin runs", "admin run", "delete"]
)
def test_what_firmware_says_is_text_on_every_page_about_a_host(admin_client: Client, run: Run, page: str) -> None:
    address = {
        "host": run.host.get_absolute_url(),
        "compare": reverse("compare", args=[run.host.name]),
        "spec": reverse("spec", args=[run.pk]),
        "adopt": reverse("adopt", args=[run.pk]),
        "run": run.get_absolute_url(),
        "admin list": reverse("admin:hosts_host_changelist"),
        "admin form": reverse("admin:hosts_host_change", args=[run.host.pk]),
        "admin runs": reverse("admin:runs_run_changelist"),
        "admin run": reverse("admin:runs_run_change", args=[run.pk]),
        "delete": reverse("admin:hosts_host_delete", args=[run.host.pk]),
    }[page]
    body = admin_client.get(address).content.decode()
    assert "<script>alert" not in body and "<img src=x" not in body


@pytest.mark.parametrize("command", [("hosts",), ("hosts", "node-1"), ("runs",), ("runs", "--host", "node-1")])
def test_and_it_turns_nothing_in_a_terminal(run: Run, command: tuple[str, ...]) -> None:
    out = io.StringIO()
    call_command(*command, stdout=out)
    assert not {"\x1b", "\u202e"} & set(out.getvalue())


def test_nor_does_vet_however_it_ends(run: Run) -> None:
    stage = rows.a_stage(run, "SMART", outcome="", reason=EVIL)
    stage.progress = [{"item": EVIL, "percent": 5.0, "doing": EVIL}]
    stage.save()
    out = terminal.console(io.StringIO())
    out.print(following.picture(run, log=5))
    shown = out.file.getvalue()
    assert not {"\x1b", "\u202e"} & set(shown) and "\\u202eevil" in shown
    said = json.dumps(following.as_data(run))
    assert not {"\x1b", "\u202e"} & set(said)


def test_nor_does_a_single_run(run: Run) -> None:
    out = io.StringIO()
    call_command("runs", str(run.pk), stdout=out)
    call_command("runs", str(run.pk), "--follow", stdout=out)
    assert not {"\x1b", "\u202e"} & set(out.getvalue()) and "<script>alert(1)" in out.getvalue()
