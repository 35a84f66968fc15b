#!/usr/bin/env python3
"""Writes what channels and wake drivers declare into docs/operations.md, docs/booting.md, vetting.example.yaml and
.env.example. With --check: says whether they are current."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vetting.settings")

import django  # noqa: E402
import yaml  # noqa: E402

django.setup()

from hosts import options, wakemethods  # noqa: E402
from hosts.options import Option  # noqa: E402
from notifications import channels  # noqa: E402

LINE_CHARS = 110
WORDS = {str: "text", bool: "true or false", int: "number", tuple[str, ...]: "list of texts"}
FROM = "written by scripts/write_options.py"


def _services() -> Iterator[tuple[str, Any]]:
    for name in channels.NAMES:
        yield name, channels.channel(name).SERVICE


def _rows(declared: type) -> str:
    return "".join(f"| `{one.key}` | {_value(one)} | {one.help} |\n" for one in options.of(declared))


def _value(one: Option) -> str:
    words = "name of a variable" if one.secret else WORDS[one.kind]
    if one.needed:
        return f"{words}, needed"
    has_none = one.default in options.EMPTY or (one.kind is int and not one.default)
    return words if has_none else f"{words}, default {_yaml(one.default)}"


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000).removesuffix("...\n").strip()


def _target(name: str, declared: type) -> str:
    """An example as an entry of `targets`, on one line where it fits."""
    entry = {"name": name, "kind": name, **options.example(declared)}
    line = f"- {_yaml(entry)}"
    if len(line) <= LINE_CHARS:
        return f"{line}\n"
    first, *rest = (f"{key}: {_yaml(value)}\n" for key, value in entry.items())
    return "".join([f"- {first}", *(f"  {one}" for one in rest)])


def _targets(indent: str) -> str:
    text = "".join(_target(name, service.options) for name, service in _services())
    return "".join(f"{indent}{line}\n" for line in text.splitlines())


def messages() -> str:
    """For docs/operations.md."""
    everybody = ", ".join(channels.NAMES)
    example = (
        f"```yaml\nnotifications:\n  targets:\n{_targets('    ')}  routes:\n"
        f"    - {{severities: [critical], to: [{everybody}]}}\n"
        f"    - {{kinds: [RunCompleted], to: [{channels.NAMES[0]}]}}\n```\n"
    )
    tables = (
        f"\n`kind: {name}` ({service.title}):\n\n| key | value | what it is |\n|---|---|---|\n{_rows(service.options)}"
        for name, service in _services()
    )
    return example + "".join(tables)


def waking() -> str:
    """For docs/booting.md."""
    methods = wakemethods.every().items()
    head = "| way | in the form | to wake a host | power |\n|---|---|---|---|\n"
    ways = "".join(
        f"| `{name}` | {method.title} | {method.does} | {', '.join(method.verbs) or 'nothing'} |\n"
        for name, method in methods
    )
    tables = (
        f"\nWake options of `{name}`:\n\n| option | value | what it is |\n|---|---|---|\n{_rows(method.options)}"
        for name, method in methods
        if options.of(method.options)
    )
    return head + ways + "".join(tables)


def configuration() -> str:
    """For vetting.example.yaml."""
    return f"  # One target of each kind, for example:\n{_targets('  # ')}"


def environment() -> str:
    """For .env.example."""
    tokens = [_secrets(service.options) for _, service in _services()]
    passwords = [_secrets(method.options) for method in wakemethods.every().values()]
    return (
        "# Secrets of notification targets: a target names the variable.\n" + _variables(tokens)
        + "\n# Passwords of BMCs: a host's wake options name the variable. It begins with "
        + f"{wakemethods.SECRET_PREFIX}.\n" + _variables(passwords)
    )  # fmt: skip


def _secrets(declared: type) -> list[str]:
    return [one.example for one in options.of(declared) if one.secret]


def _variables(found: list[list[str]]) -> str:
    return "".join(f"#{name}=\n" for name in sorted({name for names in found for name in names}))


PLACES = {
    "docs/operations.md": (
        f"<!-- channels: {FROM} from notifications/channels -->\n",
        messages,
        "<!-- /channels -->\n",
    ),
    "docs/booting.md": (f"<!-- waking: {FROM} from pxe/wake/drivers -->\n", waking, "<!-- /waking -->\n"),
    "vetting.example.yaml": (f"  # --- {FROM} from notifications/channels\n", configuration, "  # ---\n"),
    ".env.example": (f"# --- {FROM} from notifications/channels and pxe/wake/drivers\n", environment, "# ---\n"),
}
"""File → mark before the part that is written, what writes it, mark after."""


def page(text: str, begin: str, middle: str, end: str) -> str:
    """The file's text with today's part between its two marks."""
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{middle}{end}{rest.partition(end)[2]}"


def main(arguments: list[str]) -> int:
    stale = []
    for name, (begin, write, end) in PLACES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        wanted = page(text, begin, write(), end)
        if wanted != text and "--check" in arguments:
            stale.append(name)
        elif wanted != text:
            (ROOT / name).write_text(wanted, encoding="utf-8")
    if stale:
        print(f"{', '.join(stale)}: not current, run scripts/write_options.py", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
