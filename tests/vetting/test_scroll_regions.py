"""What scrolls sideways in its own box can be reached and scrolled with the keyboard (WCAG 2.1.1), on every page."""

from __future__ import annotations

import re

from tests.architecture.templates import all_templates

BOX = re.compile(r'<div class="scroll[^>]*>')


def test_every_box_that_scrolls_takes_the_focus_and_has_a_name() -> None:
    boxes = [(path.name, box) for path in all_templates() for box in BOX.findall(path.read_text(encoding="utf-8"))]
    assert len(boxes) >= 8
    assert [one for one in boxes if 'tabindex="0"' not in one[1] or "aria-label=" not in one[1]] == []
