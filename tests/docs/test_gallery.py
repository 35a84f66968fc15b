"""The gallery's page is made from its list, and its pictures stay small."""

from __future__ import annotations

from tests.browser.camera import WAYS
from tests.docs.test_pages import ROOT
from tests.walk import pictures

DOCS = ROOT / "docs"
MOST_BYTES = 4_500_000


def test_the_page_is_what_its_list_says() -> None:
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == pictures.page(), "make gallery writes it"


def test_there_is_one_picture_for_each_way_of_looking_and_no_other() -> None:
    files = {path.name for path in (DOCS / pictures.FOLDER).iterdir()}
    assert len(files) == len(pictures.PICTURES) * len(WAYS)


def test_all_pictures_together_are_small() -> None:
    assert sum(path.stat().st_size for path in (DOCS / pictures.FOLDER).iterdir()) < MOST_BYTES
