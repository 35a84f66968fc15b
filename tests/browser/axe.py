"""axe-core, put into every page of a context, and what it calls serious."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SCRIPT = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Another colour scheme changes nothing that the other rules look at.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
AUDIT = "(rules) => axe.run(document, {runOnly: rules, resultTypes: ['violations']})"

# An animation may go on for ever, a transition does not.
AT_REST = """() => Promise.allSettled(
  document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished))"""


def faults_in_light_and_dark(page: Page) -> list[str]:
    """Of the page as it is loaded: style sheets follow the scheme, and charts draw themselves anew."""
    page.emulate_media(color_scheme="light")
    page.evaluate(AT_REST)
    light = faults(page)
    page.emulate_media(color_scheme="dark")
    page.evaluate(AT_REST)
    return [*light, *(f"dark: {fault}" for fault in faults(page, COLOUR_RULES))]


def faults(page: Page, rules: list[str] = RULES) -> list[str]:
    """What axe calls serious or critical: rule, why, and the first place. The page's context has SCRIPT."""
    found: dict[str, Any] = page.evaluate(AUDIT, rules)
    return [
        f"{page.url} {fault['id']}: {fault['help']}: {fault['nodes'][0]['html'][:200]} "
        f"{fault['nodes'][0].get('failureSummary', '')}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
