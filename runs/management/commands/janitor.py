"""`manage.py janitor [--dry-run]`: delete old files now, and list each of them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs import retention
from runs.database import compact


class Command(BaseCommand):
    help = "Remove files, and single values of measurements, that are older than vetting.yaml keeps them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="List what would go, remove nothing.")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        removed = retention.sweep(dry_run=dry_run)
        for item in removed:
            self.stdout.write(f"{item.path} ({item.size} bytes)")
        files = f"{len(removed)} file{'' if len(removed) == 1 else 's'}"
        verb = "would go" if dry_run else "removed"
        if values := retention.sweep_values(dry_run=dry_run):
            self.stdout.write(f"{values} single values of measurements {verb}")
        given = compact.space().too_much if dry_run else compact.give_back()
        if given:
            self.stdout.write(f"{given} bytes of the database {'would go' if dry_run else 'went'} back to the disk")
        self.stdout.write(f"{files}, {sum(item.size for item in removed)} bytes {verb}")
