"""A person at a browser: what they press and type, from the first host to the comparison of its runs. With JavaScript
confirmations open in place; without it they are pages of their own: the same form stands in both."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.walk.machines import LVM_DISK

USER = "rack"
ENDS = re.compile("^(Completed|Released|Cancelled|Held for you)$")
HELD = "Held for you"
RUN_MS = 420_000  # a whole run with its boot, on a machine that has other work
MOVES_ON_MS = 90_000  # until the agent has heard of an operator's step


class Operator:
    """`scripts`: the browser runs them; `touch`: a finger, no mouse. `look` is called with every page that was
    opened, once it is at rest."""

    def __init__(
        self, context: BrowserContext, look: Callable[[Page], None], *, scripts: bool = True, touch: bool = False
    ) -> None:
        self.page = context.new_page()
        self._look, self._scripts, self._touch = look, scripts, touch

    # --- moving about ----------------------------------------------------------------------------------------------

    def log_in(self, password: str) -> None:
        self.open("/login/")
        self.page.fill("[name=username]", USER)
        self.page.fill("[name=password]", password)
        self.go(self.page.locator("form.login-form button"))

    def open(self, path: str) -> None:
        self.page.goto(path)
        self.arrive()

    def press(self, place: Locator) -> None:
        if self._touch:
            place.tap()
        else:
            place.click()

    def go(self, place: Locator) -> None:
        """Press what leads to another page, and wait for that."""
        with self.page.expect_navigation():
            self.press(place)
        self.arrive()

    def arrive(self) -> None:
        """The page is at rest: its stream is open and its curves are drawn, where it has such."""
        if self._scripts and self.page.locator("main[data-live]").count():
            self.page.wait_for_selector("#connection[data-state=live]")
        if self._scripts and self.page.locator("#charts").count():
            self.page.wait_for_selector("#charts[data-state]")
        self._look(self.page)

    def open_from_the_hosts(self, host: str) -> None:
        """Its tile leads to the run that needs somebody or goes on, else to the host."""
        self.open("/")
        self.go(self.page.get_by_role("link", name=host, exact=True))

    # --- the inventory ---------------------------------------------------------------------------------------------

    def add_first_host(self, name: str, mac: str, profile: str, spec: str = "") -> None:
        self.open("/")
        self.go(self.page.get_by_role("link", name="Add the first host"))
        self.page.fill("[name=name]", name)
        self.page.fill("[name=macs-0-mac]", mac)
        self.page.select_option("[name=profile_name]", profile)
        self.page.fill("[name=expected_yaml]", spec)
        if self._scripts and spec:
            expect(self.page.locator(".spec-editor-said")).not_to_be_empty()
        self._look(self.page)
        self._save()

    def add_somebody(self, name: str, password: str) -> None:
        """A user who is no operator."""
        self.open("/admin/auth/user/add/")
        self.page.fill("[name=username]", name)
        for field in ("password1", "password2"):
            self.page.fill(f"[name={field}]", password)
        self._save()

    def allow_writing(self, host: str, serial: str) -> None:
        """Ticked and typed, disk by disk, on the host's form."""
        self.open(f"/hosts/{host}/")
        self.go(self.page.get_by_role("link", name="Edit", exact=True))
        self.page.check("[name=destructive_allowed]")
        tick = self.page.get_by_label(re.compile(rf"{serial}.*may be written"))
        tick.check()
        number = (tick.get_attribute("name") or "").rpartition("_")[2]
        self.page.fill(f"[name=serial_{number}]", serial)
        self._look(self.page)
        self._save()
        expect(self.page.locator(".messagelist")).to_contain_text(f"disk {serial} may be written from now on")

    def _save(self) -> None:
        self.go(self.page.locator("[name=_save]").first)
        expect(self.page.locator(".messagelist .success, .notice.success")).to_be_visible()

    # --- runs ------------------------------------------------------------------------------------------------------

    def start(self, host: str, profile: str, says: str, repair: str = "") -> int:
        """The run's number. `says` is what the confirmation must say of the disks."""
        self.open(f"/hosts/{host}/")
        self.page.check(f"[name=profile][value={profile}]")
        self.page.fill("[name=repair]", repair)
        self.go(self.page.get_by_role("button", name="Start vetting"))
        expect(self.page.locator("h1")).to_have_text(f"Start vetting {host}?")
        expect(self.page.locator(".will")).to_contain_text(says)
        self.go(self.page.get_by_role("button", name="Start vetting"))
        return int(self.page.url.rstrip("/").rpartition("/")[2])

    @property
    def state(self) -> Locator:
        return self.page.locator("#summary h1 .pill")

    def watch_until(self, end: str) -> None:
        """The page by itself comes to say that the run has ended, or is held: as `end` says."""
        expect(self.state).to_have_text(ENDS, timeout=RUN_MS)
        findings = self.page.locator("#findings").inner_text()
        assert self.state.inner_text() == end, f"{self.state.inner_text()}, not {end}: {findings}"

    def moves_on_from(self, word: str) -> None:
        expect(self.state).not_to_have_text(word, timeout=MOVES_ON_MS)

    @property
    def question(self) -> Locator:
        """The confirmation that stands before the operator, in place or as a page."""
        return self.page.locator("section.confirm")

    def ask_for(self, label: str) -> None:
        self.press(self.page.get_by_role("link", name=label, exact=True))
        expect(self.question).to_be_visible()
        self._look(self.page)

    def confirm(self) -> None:
        self.go(self.question.get_by_role("button").last)

    def override(self, run: int, typed: str) -> None:
        """Whether that was taken is for the caller to look at."""
        self.open(f"/runs/{run}/")
        self.ask_for("Override wipe probe")
        expect(self.question).to_contain_text("Would be destroyed")
        expect(self.question).to_contain_text("LVM")
        self.question.locator("[name=typed]").fill(typed)
        self.confirm()

    def expect_override_refused(self, typed: str) -> None:
        """With the form once more, so that it can be typed again."""
        told = f"“{typed}” is not this disk's serial number. Nothing was overridden."
        expect(self.question.get_by_role("alert")).to_have_text(told)
        expect(self.question.locator("[name=typed]")).to_have_value("")
        expect(self.question).to_contain_text(LVM_DISK)

    def download_key(self, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.press(self.page.get_by_role("button", name="Download key"))
        key = folder / download.value.suggested_filename
        download.value.save_as(key)
        key.chmod(0o600)
        return key

    def adopt(self, run: int, path: str = "") -> None:
        """One difference, or all that was found."""
        self.open(f"/runs/{run}/")
        self.ask_for(f"Adopt {path}" if path else "Adopt what was found")
        self.confirm()
        expect(self.page.locator(".notice.success")).to_contain_text("is now expected to be as it was found")

    def compare(self, host: str) -> None:
        self.open(f"/hosts/{host}/")
        self.go(self.page.get_by_role("button", name="Compare"))
        expect(self.page.locator("h1")).to_have_text("Runs side by side")

    def fits_its_window(self) -> bool:
        """As wide as the screen at most. (A phone's own innerWidth grows with what is too wide.)"""
        size = self.page.viewport_size
        return size is not None and self.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
