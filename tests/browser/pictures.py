"""Photographs of every page, light and dark, on a desktop and on a phone.

python -m tests.browser.pictures FOLDER             of a demonstration: one host per situation
python -m tests.browser.pictures FOLDER --run URL   of one run's page of an installation that is up, such as the
                                                    rack's (VETTING_USER and VETTING_PASSWORD log in there)

docs/gallery.md is made from a rack run instead: tests/walk/gallery.py.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.camera import Camera
from tests.browser.chromium import ARGUMENTS, CHROMIUM

USER, PASSWORD = "operator", "a-pass-for-pictures"


@dataclass(frozen=True)
class Desk:
    """An installation to photograph: its address, and name → path of the pages."""

    url: str
    user: str
    password: str
    pages: dict[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", metavar="URL", help="address of a run's page")
    parser.add_argument("--only", nargs="*", help="names of pages")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with installation(options.run) as desk, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        camera = Camera(browser, desk.url, options.folder)
        camera.log_in(desk.user, desk.password)
        for name, path in desk.pages.items():
            if not options.only or name in options.only:
                print(*camera.take(name, path), sep="\n")
        camera.close()
        browser.close()
    return 0


@contextmanager
def installation(run_url: str | None) -> Iterator[Desk]:
    if run_url:
        base, _, path = run_url.partition("/runs/")
        user, password = os.environ.get("VETTING_USER", USER), os.environ.get("VETTING_PASSWORD", "")
        yield Desk(base, user, password, {"dashboard": "/", "run-page": f"/runs/{path}"})
        return
    with tempfile.TemporaryDirectory() as folder:
        yield from _demonstration(Path(folder))


def _demonstration(folder: Path) -> Iterator[Desk]:
    """A web process over a database of its own that has one host per situation."""
    database = f"sqlite:///{folder / 'vetting.sqlite3'}"
    os.environ |= {
        "VETTING_DATA_DIR": str(folder),
        "DATABASE_URL": database,
        "VETTING_SECRET_KEY": "k" * 40,
        "VETTING_TESTING": "1",
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
    }
    pages = _situations()
    from tests.runs.webprocess import WebProcess

    web = WebProcess(folder, database)
    web.start()
    try:
        yield Desk(web.url, USER, PASSWORD, pages)
    finally:
        web.stop()


def _situations() -> dict[str, str]:
    import django
    from django.core.management import call_command
    from django.utils import timezone

    django.setup()
    call_command("migrate", verbosity=0)
    from tests import factories

    factories.worker_at_work(timezone.now() + timedelta(days=1))
    user: Any = factories.UserFactory(username=USER)
    user.set_password(PASSWORD)
    user.save()
    pages = {"dashboard": "/"}
    for scene in factories.ALL_SCENES:
        run = scene()
        if run is not None:
            pages[f"run-{scene.__name__.replace('_', '-')}"] = run.get_absolute_url()
            pages["host"] = run.host.get_absolute_url()
            if scene is factories.in_storage:
                pages["log"] = f"{run.get_absolute_url()}log/"
                pages["cancel"] = f"{run.get_absolute_url()}cancel/"
            if scene is factories.held_by_wipe_probe:
                pages["override"] = f"{run.get_absolute_url()}override/"
            if scene is factories.held_by_spec:
                pages["adopt"] = f"{run.get_absolute_url()}adopt/"
    return pages | _admin(run) | {"not-found": "/nothing/", "refused": f"{pages['run-passed']}cancel/"}


def _admin(run: Any) -> dict[str, str]:
    hosts, runs = "/admin/hosts/host/", "/admin/runs/run/"
    return {
        "admin": "/admin/",
        "admin-hosts": hosts,
        "admin-host": f"{hosts}{run.host_id}/change/",
        "admin-import": f"{hosts}import/",
        "admin-runs": runs,
        "admin-run": f"{runs}{run.pk}/change/",
    }


if __name__ == "__main__":
    sys.exit(main())
