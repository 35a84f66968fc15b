"""`./manage.py setup`: from an interface to a bench that hosts can boot from. Asks, writes vetting.yaml, ends with
doctor."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pxe import dhcpservers, interfaces
from pxe.dhcpservers import Server
from pxe.interfaces import Interface
from runs.desk.following import EXIT_USAGE
from runs.files import atomic
from runs.wording import remedies
from vetting import config, setup

EXAMPLE = settings.BASE_DIR / "vetting.example.yaml"
INSTALLED_COMMAND = "/usr/local/bin/vetting"
AT_WORK_WITHIN_S = 40


class Command(BaseCommand):
    help = (
        "Set this machine up as a bench: choose the hosts' network, look for other DHCP servers in it, write "
        "vetting.yaml, make the administrator, send a test message, and check everything with doctor. Asks for what "
        "no option says; with --yes it asks nothing. Exit status 0 if doctor found nothing, 1 if it found something, "
        "4 for a wrong call."
    )
    requires_system_checks = ()  # what is wrong now is what it repairs

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--interface", default="", metavar="NAME", help="of the hosts' network; or its address")
        modes = "; ".join(f"{mode}: {words}" for mode, words in setup.MODE_WORDS.items())
        parser.add_argument("--mode", choices=setup.MODES, help=f"{modes}. Default: by what answers a DHCP request")
        parser.add_argument("--range", default="", metavar="FIRST-LAST", help="addresses that dhcp gives out")
        parser.add_argument("--admin", default="admin", metavar="NAME", help="the first administrator (admin)")
        parser.add_argument("--password-stdin", action="store_true", help="read its password from standard input")
        parser.add_argument("--yes", action="store_true", help="ask nothing")
        parser.add_argument("--dry-run", action="store_true", help="print the file to standard output; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        self.asks = not options["yes"] and not options["dry_run"]
        if self.asks and not sys.stdin.isatty():
            self._usage("no terminal to ask on: use --yes, with options for what should be otherwise")
        path = _path()
        try:
            answers = self._answers(options)
            before = path.read_text(encoding="utf-8") if path.exists() else EXAMPLE.read_text(encoding="utf-8")
            wanted = setup.changes(answers, settings.CONFIGURATION.config, whole_of=_image_of_a_new_file(path))
            after = setup.text_of(before, wanted, str(path))
        except setup.CanNotSetUp as error:
            self._usage(str(error))
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        if options["dry_run"]:
            self.stdout.write(after, ending="")
            return
        self._write(path, before if path.exists() else "", after)
        raise SystemExit(self._finish(path, options))

    # --- the answers -----------------------------------------------------------------------------------------------

    def _answers(self, options: dict[str, Any]) -> setup.Answers:
        interface = self._interface(options["interface"])
        self._say(f"Interface {interface.words}")
        servers = self._servers(interface, options["mode"])
        mode = self._mode(options["mode"], servers)
        for sentence in setup.objections(mode, servers):
            self._say(sentence)
        if mode != "dhcp":
            return setup.Answers(interface, mode)
        if options["range"]:
            return setup.Answers(interface, mode, *setup.read_range(options["range"], interface))
        proposed = "-".join(map(str, setup.proposed_range(interface)))
        text = self._ask("Addresses for hosts", proposed)
        return setup.Answers(interface, mode, *setup.read_range(text, interface))

    def _interface(self, wanted: str) -> Interface:
        every, bare = interfaces.every(), interfaces.without_address()
        if self.asks and not wanted and every:
            self._say("Interfaces of this machine:")
            for one in every:
                self._say(f"  {one.words}")
            for name in bare:
                self._say(f"  {name}: no IPv4 address")
            wanted = self._ask("Which one leads to the hosts (name or address)", str(every[0].address))
        return setup.choose(every, wanted, bare)

    def _servers(self, interface: Interface, mode: str | None) -> Sequence[Server]:
        self._say(f"Looking for DHCP servers on {interface.name} ({dhcpservers.WAIT_S:.0f} s)")
        try:
            found = dhcpservers.find(interface.name)
        except dhcpservers.CanNotAsk as error:
            if mode is None:
                raise setup.CanNotSetUp(f"{error}, so choose --mode dhcp or proxy yourself") from None
            self._say(f"Not known whether there are other DHCP servers: {error}.")
            return ()
        for one in found:
            self._say(f"  {one.words}")
        if not found:
            self._say("  none answered")
        return found

    def _mode(self, given: str | None, servers: Sequence[Server]) -> setup.Mode:
        if given is None:
            for name, words in setup.MODE_WORDS.items():
                self._say(f"  {name}: {words}")
            given = self._ask("Mode", setup.proposed_mode(servers))
        for mode in setup.MODES:
            if mode == given:
                return mode
        raise setup.CanNotSetUp(f"{given!r} is no mode: {', '.join(setup.MODES)}")

    def _ask(self, question: str, proposed: str) -> str:
        if not self.asks:
            return proposed
        self.stderr.write(f"{question} [{proposed}]: ", ending="")
        return sys.stdin.readline().strip() or proposed

    # --- what is done ----------------------------------------------------------------------------------------------

    def _write(self, path: Path, before: str, after: str) -> None:
        if before == after:
            self._say(f"{path} stays as it is.")
            return
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), str(path), "new", lineterm="", n=0):
            self._say(f"  {line}")
        if self.asks and self._ask(f"Write {path}", "yes").lower() not in ("y", "yes"):
            raise CommandError("stopped: nothing was changed")
        try:
            replace(path, after)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}; nothing was changed") from None
        self._say(f"{path} is written" + (f"; what it was before is in {old(path)}." if before else "."))

    def _finish(self, path: Path, options: dict[str, Any]) -> int:
        """1. Make tables and the administrator. 2. Have web and worker read the new file. 3. Send a test message.
        4. Doctor, whose exit status is returned. Each may be done twice."""
        if not settings.INSTALLED:
            call(path, "migrate", "--noinput", "--verbosity", "0")
        self._administrator(path, options)
        self._restart(path)
        if config.load(path).notifications.targets:
            call(path, "notify_test")
        else:
            self._say("No messages are sent: vetting.yaml has no notifications.targets (docs/operations.md).")
        return call(path, "doctor")

    def _administrator(self, path: Path, options: dict[str, Any]) -> None:
        words = ["admin_user", options["admin"], "--role", "superuser", "--if-missing"]
        if options["password_stdin"]:
            call(path, *words, "--password-stdin", given=sys.stdin.readline())
        elif self.asks:
            call(path, *words)
        else:
            make = remedies.command(f"admin_user {options['admin']}")
            self._say(f"If there is no administrator yet: {make}")

    def _restart(self, path: Path) -> None:
        if not settings.INSTALLED or not Path("/run/systemd/system").is_dir():
            self._say(f"A running web process or worker must read the file: {remedies.restart('web')}.")
            return
        self._say("Restarting vetting-web and vetting-worker")
        subprocess.run(["systemctl", "restart", "vetting-web", "vetting-worker"], check=False)
        wait_until_at_work(config.load(path).web)

    def _say(self, text: str) -> None:
        """Beside the file, which --dry-run prints."""
        self.stderr.write(text, str)

    def _usage(self, message: str) -> NoReturn:
        raise CommandError(message, returncode=EXIT_USAGE)


def _path() -> Path:
    path: Path | None = settings.CONFIGURATION.path
    return path or settings.BASE_DIR / "vetting.yaml"


def _image_of_a_new_file(path: Path) -> Path | None:
    """Where install.sh puts the image, if the file that install.sh wrote is gone."""
    return settings.BASE_DIR.parent / "image" if settings.INSTALLED and not path.exists() else None


def old(path: Path) -> Path:
    return path.with_name(f"{path.name}.old")


def replace(path: Path, text: str) -> None:
    """Replace the file as a whole; owner and mode stay, and the content until now is kept beside it. Raises OSError."""
    there = path.stat() if path.exists() else None
    new = path.with_name(f"{path.name}.new")
    atomic.write(new, text.encode(), there.st_mode & 0o777 if there else 0o640, sync=True)
    if there:
        os.chown(new, there.st_uid, there.st_gid)
        shutil.copy2(path, old(path))
        os.chown(old(path), there.st_uid, there.st_gid)
    os.replace(new, path)


def call(path: Path, *words: str, given: str | None = None) -> int:
    """Run another of our commands with the new file, in an installation as its own user. Returns its exit status."""
    program = [INSTALLED_COMMAND] if settings.INSTALLED else [sys.executable, str(settings.BASE_DIR / "manage.py")]
    environment = {**os.environ, "VETTING_CONFIG": str(path)}
    return subprocess.run([*program, *words], input=given, text=True, env=environment, check=False).returncode


def wait_until_at_work(web: config.Web) -> bool:
    """Whether web and worker work within `AT_WORK_WITHIN_S`."""
    host = "127.0.0.1" if web.listen in ("0.0.0.0", "::", "") else web.listen
    for _ in range(AT_WORK_WITHIN_S):
        try:
            with urllib.request.urlopen(f"http://{host}:{web.port}/healthz", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    return False
