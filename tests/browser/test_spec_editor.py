"""The expected spec's editor in the admin: checked while one types, and a plain form without JavaScript."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from agent.contract import codec
from hosts.models import Host
from tests import rows
from tests.browser.chromium import Chromium
from tests.runs.conftest import PASSWORD, web  # noqa: F401  its own, for each test
from tests.runs.webprocess import WebProcess
from tests.talker import INVENTORY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TEXT = "textarea[name=expected_yaml]"


@pytest.fixture
def host(transactional_db: None) -> Host:
    host = rows.a_host(expected={"cpu": {"cores": 2}})
    rows.a_run(host, inventory=codec.encode(INVENTORY))
    return host


def form_of(host: Host) -> str:
    return reverse("admin:hosts_host_change", args=[host.pk])


def test_a_mistake_is_named_while_one_types_and_its_line_is_a_click_away(host: Host, page: Page) -> None:
    page.goto(form_of(host))
    said = page.locator(".spec-editor-said")
    expect(said).to_contain_text("found all as it stands here")
    page.fill(TEXT, "cpu:\n  cores: 2\n  coers: 3\n")
    expect(said).to_contain_text("line 3: cpu.coers is not known")
    expect(page.locator(".spec-editor-numbers b")).to_have_text("3\n")
    said.get_by_role("button").click()
    chosen = page.locator(TEXT).evaluate("text => text.value.slice(text.selectionStart, text.selectionEnd)")
    assert chosen == "  coers: 3"
    page.fill(TEXT, "cpu: {cores: 8}")
    expect(said).to_contain_text("critical: CPU0: cores 2, expected 8")


def test_what_the_last_run_found_is_put_in_by_one_button_and_saved(host: Host, page: Page) -> None:
    page.goto(form_of(host))
    page.get_by_text("found, as a spec").click()
    page.get_by_role("button", name="Put all of it into the editor").click()
    expect(page.locator(".spec-editor-said")).to_contain_text("found all as it stands here")
    page.locator("input[name=_save]").first.click()
    page.wait_for_url("**/admin/hosts/host/")
    host.refresh_from_db()
    assert host.expected["memory"]["dimms"][0]["serial"] == "D-0001"
    assert not host.writable_disks.exists()


def test_without_javascript_it_is_a_plain_form_that_names_the_line(
    host: Host,
    web: WebProcess,  # noqa: F811
    chromium: Chromium,
) -> None:
    context = chromium.new_context(base_url=web.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/login/")
    page.fill("[name=username]", "operator")
    page.fill("[name=password]", PASSWORD)
    page.click("text=Log in >> nth=-1")
    page.goto(form_of(host))
    page.fill(TEXT, "cpu:\n  coers: 3\n")
    page.locator("input[name=_save]").first.click()
    expect(page.locator(".errorlist").first).to_contain_text("line 2: cpu.coers is not known")
    context.close()
