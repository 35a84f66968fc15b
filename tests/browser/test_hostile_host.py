"""A machine whose firmware, disks, sensors and log say HTML, script, escape codes and characters that turn the text
around, vetted twice through the agent's own calls: on every page it is text, in the order in which it was said."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import quote

import pytest
from django.db import connection
from playwright.sync_api import Page

from agent.contract import wire
from hosts import adoption, readable
from hosts.models import Host
from runs import lifecycle
from runs.models import Run
from runs.reports import write as report
from tests import factories, rows
from tests.runs.conftest import PASSWORD, web  # noqa: F401  its own, for each test
from tests.runs.webprocess import WebProcess
from tests.talker import INVENTORY, MAC, UUID, Talker
from tests.work import do_jobs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TURNS = "\u202egnp.exe\u202c\u2067x\u2069\u200b\x1b[31m"
TURNS_SHOWN = "\\u202egnp.exe\\u202c\\u2067x\\u2069\\u200b[31m"
HOSTILE = f'<b>bold</b><img src=x onerror="owned=1"><script>owned=2</script>{TURNS}'
# What is wrong with a page, one word each.
FAULTS = f"""() => {{
  const unseen = new RegExp({json.dumps(f"[{readable.UNSEEN}]")}, "u");
  return [
    window.owned !== undefined && "a script ran",
    [...document.querySelectorAll("b, strong")].some((b) => b.textContent === "bold") && "<b> was made",
    document.querySelector("img[src='x']") && "<img> was made",
    [...document.scripts].some((script) => script.textContent.includes("owned=2")) && "<script> was made",
    unseen.test(document.documentElement.outerHTML + document.title) && "something turns or hides text",
    [...document.querySelectorAll("input, textarea")].some((field) => unseen.test(field.value)) && "so does a field",
  ].filter(Boolean);
}}"""


def _inventory(dimm: str) -> wire.Inventory:
    return replace(
        INVENTORY,
        system=wire.System(HOSTILE, HOSTILE, HOSTILE, UUID, HOSTILE, HOSTILE),
        cpu=replace(INVENTORY.cpu, model=HOSTILE),
        memory=replace(INVENTORY.memory, dimms=[wire.Dimm("DIMM_A1", 3072, f"{dimm} {TURNS}", part=HOSTILE)]),
        disks=[replace(INVENTORY.disks[0], serial=f"S1 {TURNS}", model=HOSTILE, firmware=HOSTILE)],
        fans=[wire.Fan(HOSTILE, 5000)],
        firmware=wire.Firmware(bios=HOSTILE),
    )


def _begin(host: Host, dimm: str) -> Talker:
    """A run of it, past the stage that finds all that."""
    lifecycle.start_run(host, profile_name="quick", who="operator", repair=HOSTILE[:200])
    talker = Talker(host, boot_id=f"boot-{dimm}")
    talker.boot_and_claim()
    required = Run.objects.get(pk=talker.run_id).profile["stages"]["InventoryCheck"]["required"]
    checks = [wire.Check(name, wire.Outcome.PASSED) for name in required]
    talker.result("InventoryCheck", inventory=_inventory(dimm), checks=checks)
    return talker


def _fail(talker: Talker) -> None:
    """Disk health fails with all an agent can say, and the host is held."""
    talker.pass_stages_until("SMART")
    talker.heartbeat("SMART", progress=[wire.Progress(HOSTILE[:60], 40.0, HOSTILE[:60], 3.0)])
    talker.log(HOSTILE)
    measured = [
        wire.Measurement(time.time(), "fan", f"FAN {TURNS}<b>bold</b>", "fan", 900.0 + n, "rpm") for n in range(9)
    ]
    talker.post("sensor", wire.SensorBatch(talker.boot_id, 1, measured))
    code, shown, critical = "smart.pending_sectors", HOSTILE[:60], wire.Severity.CRITICAL
    talker.result(
        "SMART", "failed", reason=HOSTILE, numbers={f"temp_max_c.{TURNS}<b>bold</b>": 61.0},
        findings=[wire.Finding(code, critical, "disk", f"S1 {TURNS}", HOSTILE, shown, shown, "<b>bold</b>")],
        checks=[wire.Check("attributes", wire.Outcome.FAILED, HOSTILE, shown)],
    )  # fmt: skip
    talker.hold(users=[HOSTILE[:60]])


def _vet_twice() -> int:
    """The number of the later run, which is held; the first was cancelled."""
    host = rows.a_host("pve-evil", mac=MAC)
    first = _begin(host, "D1")
    found = Run.objects.get(pk=first.run_id)
    lifecycle.cancel(found, who="operator")
    first.heartbeat()
    host.expected, host.notes = adoption.from_inventory(found.inventory), HOSTILE
    host.full_clean()
    host.save()
    _fail(second := _begin(host, "D2"))
    report.tick()
    do_jobs()
    connection.close()
    return second.run_id


@pytest.fixture
def run(transactional_db: None) -> Run:
    with ThreadPoolExecutor(1) as another:  # in this one is Playwright's event loop, which Django's views would refuse
        return Run.objects.get(pk=another.submit(_vet_twice).result())


def _pages(run: Run) -> dict[str, bool]:
    """Address → whether what the machine says stands on it, and not only nothing bad."""
    own, host = run.get_absolute_url(), run.host.get_absolute_url()
    inventory, history = "/admin/hosts/host/", "/admin/runs/run/"
    return {
        "/": True, "/?q=%E2%80%AEx": False, own: True, host: True, f"{host}compare/": True, f"{own}log/": True,
        f"{own}log/?q={quote(TURNS)}": False, f"{own}spec/": True, f"{own}adopt/": True, f"{own}retry/": False,
        f"{own}release/": False, f"{own}report.html": True, "/admin/": False, inventory: True,
        f"{inventory}?q={quote(TURNS)}": False, f"{inventory}{run.host_id}/change/": True,
        f"{inventory}{run.host_id}/history/": False, f"{inventory}{run.host_id}/delete/": False,
        f"{inventory}import/": False, f"{inventory}export/": False, history: True, f"{history}?q={quote(TURNS)}": False,
        f"{history}{run.pk}/change/": True, f"{history}{run.pk}/history/": False,
        "/admin/notifications/delivery/": False, "/admin/axes/accessattempt/": True, f"/{quote(TURNS)}/": False,
    }  # fmt: skip


def _fail_to_log_in(page: Page) -> None:
    """A stranger's try, whose name and browser stand in the list of failed ones."""
    stranger = page.context.browser.new_context(base_url=page.url, user_agent="<b>bold</b>")
    tried = stranger.new_page()
    tried.goto("/login/")
    tried.fill("[name=username]", f"<b>bold</b>{TURNS}")
    tried.fill("[name=password]", "wrong")
    tried.click("form.login-form button")
    tried.wait_for_selector(".error, [role=alert], .errorlist")
    assert tried.evaluate(FAULTS) == []
    stranger.close()


def _settled(page: Page, address: str) -> None:
    page.goto(address)
    if page.locator("main[data-live]").count():
        page.wait_for_selector("#connection[data-state=live]")
    if page.locator("#charts").count():
        page.wait_for_selector("#charts[data-state=drawn]")
    page.eval_on_selector_all("details", "(all) => all.forEach((one) => { one.open = true; })")


def test_it_is_text_on_every_page(page: Page, run: Run) -> None:
    _fail_to_log_in(page)
    wrong: list[str] = []
    for address, shows in _pages(run).items():
        _settled(page, address)
        wrong += [f"{address}: {fault}" for fault in page.evaluate(FAULTS)]
        text = page.evaluate("document.body.innerText + [...document.querySelectorAll('textarea')].map((t) => t.value)")
        if shows and "<b>bold</b>" not in text and TURNS_SHOWN[:12] not in text:
            wrong.append(f"{address}: does not show it at all")
    assert wrong == []


def test_and_in_every_update_of_an_open_page(page: Page, run: Run) -> None:
    _settled(page, run.get_absolute_url())
    factories.say(Run.objects.get(pk=run.pk), ("error", "SMART", f"live {HOSTILE}"))
    factories.tell(run, "note")
    page.wait_for_selector("#log-lines >> text=live <b>bold</b>")
    assert page.evaluate(FAULTS) == []


def test_a_spec_with_it_is_refused_readably_while_one_types_and_so_is_a_file(page: Page, run: Run) -> None:
    _settled(page, f"/admin/hosts/host/{run.host_id}/change/")
    page.fill("textarea[name=expected_yaml]", f"cpu:\n  {TURNS[:-5]}: 3\n  model: '{TURNS[:-5]}'\n")
    page.wait_for_selector(".spec-editor-said >> text=is not known")
    assert "\u202e" not in page.locator(".spec-editor-said").inner_text()
    page.goto("/admin/hosts/host/import/")
    text = f"- name: '{HOSTILE[:-5]}'\n  profile_name: \"<b>bold</b>\\u202ex\"\n".encode()
    page.set_input_files("[name=import_file]", {"name": "hosts.yaml", "mimeType": "text/yaml", "buffer": text})
    page.select_option("[name=format]", label="yaml")
    page.click("form:has([name=import_file]) [type=submit]")
    page.wait_for_selector("text=Some rows failed to validate")
    assert TURNS_SHOWN[:-4] in page.inner_text("#content")
    assert page.evaluate(FAULTS) == []


@pytest.mark.parametrize("name", ["run.log", "report.json", "report.html", "series.json"])
def test_the_files_hold_it_as_it_is_shown(web: WebProcess, run: Run, name: str) -> None:  # noqa: F811
    operator = web.log_in("operator", PASSWORD)
    text = operator.get(f"{run.get_absolute_url()}{name}").content.decode()
    assert readable.spelled_out(text) == text and "\x1b" not in text
    assert "u202egnp.exe" in text
