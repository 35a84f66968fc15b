"""Where the templates of the pages are, for tests that read them all."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

APPS = ("agentapi", "hosts", "notifications", "pxe", "restapi", "runs", "vetting")


def all_templates() -> list[Path]:
    return [path for app in APPS for path in (settings.BASE_DIR / app).rglob("templates/**/*.html")]
