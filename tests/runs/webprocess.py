"""A real daphne or uvicorn on a free port of loopback, over a database of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from django.test import Client, override_settings

from tests.ports import free_port

if TYPE_CHECKING:  # a model can't be imported without settings, and tests.front.attack has none
    from django.contrib.auth.models import AbstractBaseUser

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "k" * 40


def database_url(settings: dict[str, Any]) -> str:
    """Django's settings of a connection, as the one line that another process takes. (Test servers ask no password.)"""
    if "sqlite" in settings["ENGINE"]:
        return f"sqlite:///{settings['NAME']}"
    return f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


class WebProcess:
    """`database_url` names a database that has its tables; `start` and `stop` may be called again and again. uvicorn is
    started by `manage.py web`, with its time limits."""

    def __init__(self, folder: Path, database_url: str, server: str = "daphne") -> None:
        self.folder, self.port, self.server = folder, free_port(), server
        config = folder / "vetting.yaml"
        config.write_text(f"web: {{listen: 127.0.0.1, port: {self.port}, boot_port: {free_port()}}}\n")
        self.environment = {
            **os.environ,
            "VETTING_DATA_DIR": str(folder),
            "VETTING_CONFIG": str(config),
            "VETTING_SECRET_KEY": SECRET_KEY,
            "VETTING_TESTING": "1",
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "vetting.settings",
        }
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [
            "-m",
            "daphne",
            "-b",
            "127.0.0.1",
            "-p",
            str(self.port),
            "--verbosity",
            "0",
            "vetting.asgi:application",
        ]
        if self.server != "daphne":
            words = ["manage.py", "web", "--server", self.server]
        with (self.folder / "web.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        self._wait_until_it_answers()

    def stop(self, limit_s: float = 10) -> int:
        """SIGTERM; its exit status. Raises TimeoutExpired, after killing it, when it does not end within the limit."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(limit_s)
        finally:
            self.process.kill()
            self.process.wait()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def manage(self, *argv: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *argv], cwd=ROOT, env=self.environment, check=True, capture_output=True
        )
        return done.stdout.decode()

    def _wait_until_it_answers(self, limit_s: float = 120) -> None:
        assert self.process is not None
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.folder / "web.log").read_text()[-2000:]
            try:
                if httpx.get(f"{self.url}/livez", timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise TimeoutError(f"{self.server} does not answer after {limit_s} s")

    def session_of(self, user: AbstractBaseUser) -> dict[str, str]:
        """The cookie that this process would give, in Playwright's form. A login by its form takes a second, most of it
        for the password."""
        with override_settings(SECRET_KEY=SECRET_KEY):
            client = Client()
            client.force_login(user)
        return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": self.url}

    def log_in(self, name: str, password: str) -> httpx.Client:
        """A client with the operator's session."""
        client = httpx.Client(base_url=self.url, timeout=30)
        page = client.get("/login/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        data = {"username": name, "password": password, "csrfmiddlewaretoken": token[1]}
        assert client.post("/login/", data=data).status_code == 302
        return client
