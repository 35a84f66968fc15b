"""`manage.py findings [--json]`: every finding code, its meaning, and what to do."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from agent.contract.actions import action
from agent.contract.codes import CODES


class Command(BaseCommand):
    help = "List the registry of finding codes: severity, who must act, meaning, action, advice."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="As a JSON list, for other programs.")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = [
            {"code": code, **asdict(meaning), "action": action(code, meaning.severity).value}
            for code, meaning in sorted(CODES.items())
        ]
        self.stdout.write(json.dumps(rows, indent=1) if options["json"] else _table(rows))


def _table(rows: list[dict[str, str]]) -> str:
    """Aligned columns, the advice on a line of its own."""
    width = max(len(row["code"]) for row in rows)
    lines = (
        f"{row['code']:{width}}  {row['severity']:8}  {row['acts']:13}  {row['title']}\n"
        f"{'':{width}}  {row['action']:15}  {row['advice']}"
        for row in rows
    )
    return "\n".join(lines)
