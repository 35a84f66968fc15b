#!/usr/bin/env python3
"""Writes the tables of roles and addresses into docs/security.md, from vetting/roles.py and vetting/rights.py, and
prints them. With --check: says whether they are current."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vetting.settings")

import django  # noqa: E402

django.setup()

from runs.desk.access import SEE, WORDS  # noqa: E402
from vetting import rights, roles  # noqa: E402
from vetting.rights import Asked, Right  # noqa: E402

PAGE = ROOT / "docs" / "security.md"
BEGIN = "<!-- roles: written by scripts/write_roles.py from vetting/roles.py and vetting/rights.py -->\n"
END = "<!-- /roles -->\n"
OF_LIBRARIES = {
    "delivery": "messages that were sent", "user": "accounts", "group": "roles", "accessattempt": "attempts to log in",
    "accesslog": "logins", "accessfailurelog": "logins that failed", "apitoken": "API tokens of one's own",
}  # fmt: skip
ADDRESSES = "The permissions that each address needs:\n\n| address | to look (GET) | to do (POST) |\n|---|---|---|\n"
ACTIONS = "\nActions of the administration's lists, beside the permission to see the list:\n\n| list | action | needs |\n|---|---|---|\n"  # noqa: E501  # fmt: skip


def tables() -> str:
    return f"{_roles()}\n{ADDRESSES}{''.join(_addresses())}{ACTIONS}{''.join(_actions())}"


def _roles() -> str:
    """Each permission, and the roles that have it."""
    head = "".join(f"| {role} " for role in roles.ROLES)
    rows = (
        f"| `{name}` | {WORDS.get(name) or _words(name)} |"
        + "".join(f" {'yes' if name in held else ''} |" for held in _held())
        for name in roles.ROLES[roles.ADMINISTRATOR]
    )
    summary = "".join(f"- **{role}** {words}.\n" for role, words in roles.SUMMARIES.items())
    return f"{summary}\n| permission | to {head}|\n|---|---|{'---|' * len(roles.ROLES)}\n" + "\n".join(rows) + "\n"


def _words(name: str) -> str:
    """Of a permission that Django made, from its name: `auth.view_user`."""
    verb, model = name.partition(".")[2].split("_")
    return f"{'see' if verb == 'view' else verb} {OF_LIBRARIES[model]}"


def _held() -> Iterator[tuple[str, ...]]:
    yield from roles.ROLES.values()


def _addresses() -> Iterator[str]:
    """The table of addresses. Addresses that need the same permissions share a row."""
    same: dict[Right, list[str]] = {}
    for name, right in (rights.PAGES | rights.API | rights.ADMINISTRATION).items():
        same.setdefault(right, []).append(f"`{name}`")
    for right, names in same.items():
        yield f"| {', '.join(names)} | {_asked(right.get)} | {_asked(right.post)} |\n"


def _actions() -> Iterator[str]:
    for label, actions in rights.ACTIONS.items():
        for name, asked in actions.items():
            yield f"| `{label}` | `{name}` | {_asked(asked)} |\n"


def _asked(asked: Asked) -> str:
    if isinstance(asked, str):
        return asked
    more = [name for name in asked if name not in SEE]
    seen = ["to see"] if set(SEE) <= set(asked) else [f"`{name}`" for name in asked if name in SEE]
    return ", ".join([*seen, *(f"`{name}`" for name in more)])


def page(text: str) -> str:
    """The page with today's tables between their two marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{tables()}{END}{rest.partition(END)[2]}"


def main(arguments: list[str]) -> int:
    text = PAGE.read_text(encoding="utf-8")
    if "--check" not in arguments:
        PAGE.write_text(page(text), encoding="utf-8")
        print(tables(), end="")
        return 0
    if page(text) != text:
        print(f"{PAGE.relative_to(ROOT)} is not current: run scripts/write_roles.py", file=sys.stderr)
    return int(page(text) != text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
