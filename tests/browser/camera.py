"""Photographs of pages, each on a desktop and on a phone, in light and in dark."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
SCHEMES = ("light", "dark")
WAYS = tuple((size, scheme) for size in SIZES for scheme in SCHEMES)
PATIENCE_MS = 30_000
# The whole page; under a dialog only what its backdrop covers.
WHAT_IS_SEEN = """[window.innerWidth, document.querySelector("dialog[open]") ? window.innerHeight
    : document.documentElement.scrollHeight]"""


class Camera:
    """Of an installation that is up at `url`. `kind` is `png`, or `webp` of a tenth of the bytes, cut off below
    `longest_px` and made smaller by `scale`."""

    def __init__(
        self, browser: Browser, url: str, folder: Path, *, kind: str = "png", longest_px: int = 0, scale: float = 1
    ) -> None:
        self._browser, self._url, self._folder, self._kind = browser, url, folder, kind
        self._longest_px, self._scale = longest_px, scale
        self._contexts: dict[tuple[str, str], BrowserContext] = {}

    def log_in(self, user: str, password: str) -> None:
        """All pictures from now on are those that this user sees. Before, nobody is logged in."""
        self.close()
        context = self._context("desktop", "light")
        page = context.new_page()
        page.goto("/login/")
        page.fill("[name=username]", user)
        page.fill("[name=password]", password)
        with page.expect_navigation():
            page.click("form.login-form button")
        state = context.storage_state()
        self.close()
        for way in WAYS:
            self._contexts[way] = self._context(*way, storage_state=state)

    def take(self, name: str, path: str, act: Callable[[Page], Any] | None = None) -> list[Path]:
        """The page at `path`, after `act` has done something on it."""
        return [self._one(size, scheme, path, self._folder / f"{name}-{size}-{scheme}.{self._kind}", act)
                for size, scheme in WAYS]  # fmt: skip

    def close(self) -> None:
        for context in self._contexts.values():
            context.close()
        self._contexts = {}

    def _one(self, size: str, scheme: str, path: str, target: Path, act: Callable[[Page], Any] | None) -> Path:
        context = self._contexts.get((size, scheme)) or self._context(size, scheme)
        page = context.new_page()
        page.goto(path)
        at_rest(page)
        if act is not None:
            act(page)
            at_rest(page)
        target.write_bytes(self._picture(page))
        page.close()
        return target

    def _picture(self, page: Page) -> bytes:
        if self._kind == "png":
            return page.screenshot(full_page=True)
        width, height = page.evaluate(WHAT_IS_SEEN)
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, self._longest_px), "scale": self._scale}
        options = {"format": self._kind, "quality": 60, "captureBeyondViewport": True, "clip": clip}
        return base64.b64decode(page.context.new_cdp_session(page).send("Page.captureScreenshot", options)["data"])

    def _context(self, size: str, scheme: str, **more: Any) -> BrowserContext:
        context = self._browser.new_context(base_url=self._url, color_scheme=scheme, **SIZES[size], **more)
        context.set_default_timeout(PATIENCE_MS)
        self._contexts[size, scheme] = context
        return context


def at_rest(page: Page) -> None:
    """Its stream is open and its curves are drawn, where it has such."""
    if page.locator("main[data-live]").count():
        page.wait_for_selector("#connection[data-state=live]")
    if page.locator("#charts").count():
        page.wait_for_selector("#charts[data-state]")
