"""Templates stay readable: the formatter leaves a line alone that it can't break, so its length is checked here."""

from __future__ import annotations

from django.conf import settings

from tests.architecture.templates import all_templates

MOST_CHARACTERS = 120


def test_no_line_of_a_template_is_too_long() -> None:
    templates = all_templates()
    too_long = [
        f"{path.relative_to(settings.BASE_DIR)}:{number}"
        for path in templates
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > MOST_CHARACTERS
    ]
    assert len(templates) > 50
    assert too_long == []
