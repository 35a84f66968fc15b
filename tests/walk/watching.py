"""What a page showed while nobody touched it: noted in the page itself, so that nothing is missed and a reload, which
would forget all of it, is found out."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page

_NOTE = """() => {
  const seen = window.seenByTheWalk = { states: [], rungs: [], progress: [], connection: [] };
  const note = (list, value) => { if (value && list.at(-1) !== value) list.push(value); };
  const text = (where) => document.querySelector(where)?.textContent.trim().replace(/\\s+/g, " ");
  const look = () => {
    note(seen.states, text("#summary h1 .pill"));
    note(seen.rungs, document.querySelectorAll("#ladder li.good").length);
    note(seen.progress, text("#stages .now .item"));
    note(seen.connection, text("#connection"));
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  look();
}"""


@dataclass(frozen=True)
class Seen:
    """Each list in its order, without repetitions in a row. `rungs` counts those of the boot ladder that were reached,
    `progress` is the first line inside the stage that ran."""

    states: list[str]
    rungs: list[int]
    progress: list[str]
    connection: list[str]


def begin(page: Page) -> None:
    page.evaluate(_NOTE)


def seen(page: Page) -> Seen:
    """Fails where the page was loaded anew since `begin`."""
    noted = page.evaluate("window.seenByTheWalk")
    assert noted is not None, f"{page.url} was loaded anew while it was watched"
    return Seen(**noted)
