"""`./manage.py verify FILE…`: whether reports and RMA packs are as an installation made them."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runs.desk import following
from runs.reports import checking, signing


class Command(BaseCommand):
    help = (
        "Check whether files are exactly as an installation made them: report.json with report.json.sig beside it, or "
        "an RMA pack. Needs no database and no network. Exit status 0 if all are genuine, 1 if one is not or has no "
        "signature, 4 for a wrong call."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE", type=Path)
        parser.add_argument("--key", metavar="KEY.pem", type=Path, help="public key of the installation that signed")
        parser.add_argument("--signature", metavar="FILE.sig", type=Path, help="if it is not beside the file")
        parser.add_argument("--public-key", action="store_true", help="print the public key of this installation")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["public_key"]:
            self.stdout.write(signing.public_key().decode(), ending="")
            return
        if not options["files"] or (options["signature"] and len(options["files"]) > 1):
            raise CommandError("name one FILE, or several without --signature", returncode=following.EXIT_USAGE)
        key = _key(options["key"])
        whose = f"key {signing.fingerprint(key)}{'' if options['key'] else ', of this installation'}"
        problems = [
            self._tell(path, checking.problem(path, key, options["signature"]), whose) for path in options["files"]
        ]
        if any(problems):
            raise CommandError("not every file is genuine", returncode=following.EXIT_FAILED)

    def _tell(self, path: Path, problem: str, whose: str) -> bool:
        self.stdout.write(f"{path}: {f'NOT GENUINE: {problem}' if problem else 'genuine'} ({whose})")
        return bool(problem)


def _key(path: Path | None) -> bytes:
    try:
        key = path.read_bytes() if path else signing.public_key()
        signing.fingerprint(key)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=following.EXIT_USAGE) from None
    except signing.BadKey as error:
        raise CommandError(f"{path}: {error}", returncode=following.EXIT_USAGE) from None
    return key
