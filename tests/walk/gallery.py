"""Makes the pictures of docs/gallery.md, and that page, from a run of the virtual rack.

python -m tests.walk.gallery [FOLDER]      docs by default; needs what the rack needs, and Chromium
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.camera import Camera
from tests.browser.chromium import ARGUMENTS, CHROMIUM
from tests.rack.orchestrator import ROOT
from tests.rack.rack import Rack
from tests.walk import pictures
from tests.walk.machines import HOST, LVM_DISK, MAC_AS_TYPED, WORN, machine, profiles, spec_before_the_repair
from tests.walk.operators import HELD, USER, Operator

# Long enough for all pictures of a run while it tests.
SLOWLY = {"stages.CPUStress.params.duration_s": 60}
LONGEST_PX, SCALE = 1800, 0.75
PATIENCE_MS = 30_000
# Hosts of whose machines there is none: one of them is started, and never boots.
OTHERS = [{"name": f"pve-0{n}", "macs": [f"52:54:00:12:37:0{n}"]} for n in (1, 2, 3)]
GUEST = "guest"
GHOST, BOOT_DEADLINE_S = "pve-01", 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs")
    folder: Path = parser.parse_args().folder
    if not CHROMIUM.exists():
        print(f"{CHROMIUM} is missing: apt-get install chromium-headless-shell", file=sys.stderr)
        return 3
    (folder / pictures.FOLDER).mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    host = machine(boot_deadline_s=BOOT_DEADLINE_S)
    with Rack(host, profiles=profiles(**SLOWLY)) as rack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        Walk(rack, browser, folder / pictures.FOLDER).through_all()
        browser.close()
    (folder / "gallery.md").write_text(pictures.page(), encoding="utf-8")
    return 0


class Walk:
    """An operator who walks, and a camera that stands beside."""

    def __init__(self, rack: Rack, browser: Browser, folder: Path) -> None:
        self._rack = rack
        url, self._password = f"http://127.0.0.1:{rack.open_dashboard(0)}", rack.desk.ask("admin")
        self._camera = Camera(browser, url, folder, kind="webp", longest_px=LONGEST_PX, scale=SCALE)
        context = browser.new_context(base_url=url)
        context.set_default_timeout(PATIENCE_MS)
        self._who = Operator(context, lambda page: None)
        self._taken: list[str] = []

    def through_all(self) -> None:
        self._before_anything()
        first, ghost = self._a_run_that_passes()
        second = self._a_run_that_is_held()
        self._afterwards(first, second, ghost)
        wanted = [picture.name for picture in pictures.PICTURES]
        assert sorted(self._taken) == sorted(wanted), set(self._taken) ^ set(wanted)

    def _take(self, name: str, path: str, act: Any = None) -> None:
        self._rack.progress.say(f"picture: {name}")
        self._camera.take(name, path, act)
        self._taken.append(name)

    def _before_anything(self) -> None:
        self._take("login", "/login/")
        self._take("locked-out", "/login/", _try_passwords)
        self._camera.log_in(USER, self._password)
        self._take("first-run", "/")
        self._take("host-add", "/admin/hosts/host/add/")
        self._take("import", "/admin/hosts/host/import/")
        self._take("import-preview", "/admin/hosts/host/import/", _show_import)
        self._who.log_in(self._password)
        spec = yaml.safe_dump(spec_before_the_repair(self._rack.machine), sort_keys=False)
        self._who.add_first_host(HOST, MAC_AS_TYPED, "short", spec)
        self._who.open("/admin/hosts/host/import/")
        _show_import(self._who.page)
        self._who.go(self._who.page.locator("[name=confirm]"))

    def _a_run_that_passes(self) -> tuple[int, int]:
        self._take("host-never-vetted", f"/hosts/{HOST}/")
        self._take("start", f"/hosts/{HOST}/", lambda page: _ask_to_start(page, "short"))
        ghost = self._who.start(GHOST, "quick", "Disks are only read.", repair="main board replaced")
        run = self._who.start(HOST, "short", "Disks are only read.", repair="DIMM_B1 replaced")
        expect(self._who.state).to_have_text("Booting", timeout=BOOT_DEADLINE_S * 1000)
        self._take("run-booting", f"/runs/{run}/")
        expect(self._who.state).to_have_text("CPU", timeout=BOOT_DEADLINE_S * 1000)
        expect(self._who.page.locator("#stages .now .item").first).to_be_visible()
        for name, path in (("run-testing", f"/runs/{run}/"), ("dashboard", "/"), ("host-busy", f"/hosts/{HOST}/"),
                           ("cancel", f"/runs/{run}/cancel/")):  # fmt: skip
            self._take(name, path)
        self._take("cancel-dialog", f"/runs/{run}/", _ask_to_cancel)
        self._who.watch_until("Completed")
        for name, path in (("run-passed", ""), ("report", "report.html"), ("log", "log/"), ("spec", "spec/"),
                           ("adopt", f"adopt/?path={WORN}")):  # fmt: skip
            self._take(name, f"/runs/{run}/{path}")
        self._who.adopt(run, WORN)
        return run, ghost

    def _a_run_that_is_held(self) -> int:
        self._who.allow_writing(HOST, LVM_DISK)
        self._take("start-writing", f"/hosts/{HOST}/", lambda page: _ask_to_start(page, "short-write"))
        run = self._who.start(HOST, "short-write", f"Everything on disk {LVM_DISK}")
        self._who.watch_until(HELD)
        self._take("run-held", f"/runs/{run}/")
        self._take("dashboard-attention", "/")
        for name in ("override", "retry", "release"):
            self._take(name, f"/runs/{run}/{name}/")
        self._take("refused", f"/runs/{run}/override/", _type_a_wrong_serial)
        self._who.override(run, LVM_DISK)
        self._who.moves_on_from(HELD)
        self._who.watch_until("Completed")
        self._take("run-completed", f"/runs/{run}/")
        return run

    def _afterwards(self, first: int, second: int, ghost: int) -> None:
        self._take("run-never-booted", f"/runs/{ghost}/")
        self._take("host", f"/hosts/{HOST}/")
        self._take("compare", f"/hosts/{HOST}/compare/?run={first}&run={second}")
        self._take("admin", "/admin/")
        self._take("admin-hosts", "/admin/hosts/host/")
        for name, action in (("admin-start", "start_vetting"), ("admin-adopt", "adopt")):
            self._take(name, "/admin/hosts/host/", lambda page, action=action: _ask_for_all(page, action))
        form = self._form_of_the_host()
        self._take("admin-host", form)
        self._take("admin-delete", form.replace("change", "delete"))
        self._take("admin-runs", "/admin/runs/run/")
        self._take("admin-run", f"/admin/runs/run/{second}/change/")
        self._take("admin-export", "/admin/hosts/host/export/")
        self._take("not-found", "/runs/999/")
        self._take("not-possible", f"/runs/{first}/cancel/")
        self._take("form-too-old", "/hosts/pve-02/", _send_an_old_form)
        self._who.add_somebody(GUEST, self._password)
        self._camera.log_in(GUEST, self._password)
        self._take("not-for-you", "/")

    def _form_of_the_host(self) -> str:
        self._who.open(f"/hosts/{HOST}/")
        return self._who.page.get_by_role("link", name="Edit", exact=True).get_attribute("href") or ""


def _try_passwords(page: Page) -> None:
    """Until it is enough."""
    while page.locator("[name=password]").count():
        page.fill("[name=username]", "somebody")
        page.fill("[name=password]", "a guess")
        _press(page, "form.login-form button")


def _show_import(page: Page) -> None:
    file = {"name": "hosts.yaml", "mimeType": "text/yaml", "buffer": yaml.safe_dump(OTHERS).encode()}
    page.set_input_files("[name=import_file]", file)
    page.select_option("[name=format]", label="yaml")
    _press(page, "#content form [type=submit]")


def _ask_to_start(page: Page, profile: str) -> None:
    page.check(f"[name=profile][value={profile}]")
    _press(page, "#start button")


def _ask_to_cancel(page: Page) -> None:
    page.get_by_role("link", name="Cancel run", exact=True).click()
    expect(page.locator("dialog section.confirm")).to_be_visible()


def _ask_for_all(page: Page, action: str) -> None:
    for box in page.locator("input.action-select").all():
        box.check()
    page.select_option("[name=action]", action)
    _press(page, ".actions button")


def _type_a_wrong_serial(page: Page) -> None:
    page.fill("[name=typed]", "NVME-0001")
    _press(page, ".confirm form button")


def _send_an_old_form(page: Page) -> None:
    page.context.clear_cookies()
    _press(page, "#start button")


def _press(page: Page, what: str) -> None:
    with page.expect_navigation():
        page.click(what)


if __name__ == "__main__":
    sys.exit(main())
