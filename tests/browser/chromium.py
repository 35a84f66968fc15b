"""Where Debian's Chromium for machines without a display lies, and how it is started without a word to the outside. The
full browser renders its own windows as well, at twice the CPU time."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Playwright

CHROMIUM = Path("/usr/bin/chromium-headless-shell")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Chromium:
    """The browser, started when it is needed, and again where it has closed itself: on a busy machine one of some dozen
    did at its first page, with no word in any log."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browser: Browser | None = None

    def new_context(self, tries: int = 3, **options: Any) -> BrowserContext:
        """A context in which a page was shown. Raises playwright's Error after the last try."""
        try:
            if self._browser is None:
                self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            context = self._browser.new_context(**options)
            page = context.new_page()
            page.goto("data:text/html,<h1>ready</h1>")
            page.close()
        except Error:
            self.close()
            if tries == 1:
                raise
            return self.new_context(tries - 1, **options)
        return context

    def close(self) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            with contextlib.suppress(Error):
                browser.close()
