"""`make dev`: the pages on this machine, with data to look at, started again whenever a file changes.

The database and all files are in var/dev. They stay from one start to the next; `--fresh` begins anew. The web process
is the real one. The worker is not started, since it would end runs whose hosts exist only in the database: `--worker`
starts it all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import django
import yaml

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "var" / "dev"
PORT = 8000
WATCHED = ("agent", "agentapi", "hosts", "notifications", "pxe", "restapi", "runs", "vetting")
SUFFIXES = {".py", ".html", ".yaml"}
LOOK_EVERY_S, KEEP_ALIVE_EVERY_S, START_TIMEOUT_S = 1.0, 5.0, 60.0


def main(words: list[str] | None = None) -> int:
    options = _parser().parse_args(words)
    if options.fresh:
        shutil.rmtree(DIRECTORY, ignore_errors=True)
    port = _free(options.port)
    os.environ |= prepare(DIRECTORY, port)
    django.setup()
    from tests.dev import seed

    _migrate()
    added = seed.seed()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for changed in _serve(worker=options.worker):
            _wait_until_it_answers(port)
            if changed:
                print(f"{changed} changed: started again", flush=True)
            else:
                _say_where(port, f"{seed.USER}, password {seed.PASSWORD}", is_new=added)
    except KeyboardInterrupt:
        print()
    return 0


def _say_where(port: int, login: str, *, is_new: bool) -> None:
    print(f"\n  address   http://127.0.0.1:{port}/\n  login     {login}")
    print(f"  data      {DIRECTORY} ({'new' if is_new else 'as you left it; FRESH=1 begins anew'})")
    print("\nStarts again whenever a file changes. Ctrl-C ends it.\n", flush=True)


def prepare(directory: Path, port: int) -> dict[str, str]:
    """Write the configuration and empty boot files; returns the environment that leads to them."""
    image = directory / "image"
    image.mkdir(parents=True, exist_ok=True)
    for name in ("vmlinuz", "initrd.zst"):  # without them every page says that no host can boot
        (image / name).touch()
    config = {
        "web": {"listen": "127.0.0.1", "port": port, "boot_port": free_port()},
        "pxe": {"mode": "off"},
        "iperf3": {"supervise": "off"},
    }
    (directory / "vetting.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return {
        "DJANGO_SETTINGS_MODULE": "vetting.settings",
        "DATABASE_URL": f"sqlite:///{directory / 'vetting.sqlite3'}",
        "VETTING_CONFIG": str(directory / "vetting.yaml"),
        "VETTING_DATA_DIR": str(directory),
        "VETTING_DEBUG": "true",
        "VETTING_LOG_LEVEL": os.environ.get("VETTING_LOG_LEVEL", "WARNING"),
    }


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _serve(*, worker: bool) -> Iterator[str]:
    """Start the processes and yield; once asked for more, wait for a change and start them again. Yields the file that
    changed, nothing at first. A process that ends by itself, because of a mistake in a file, waits for the next
    change."""
    from tests.dev import seed
    from vetting import processes
    from vetting.management.commands.up import PARTS

    changed = ""
    while True:
        children = [PARTS[name]() for name in (("web", "worker") if worker else ("web",))]
        try:
            yield changed
            changed = _wait_for_change(_nothing if worker else seed.keep_alive)
        finally:
            for child in children:
                processes.stop(child)


def _wait_until_it_answers(port: int) -> None:
    """Or until it has had enough time: what is wrong with it then stands above."""
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)


def _wait_for_change(keep_alive: Callable[[], None]) -> str:
    """Returns the file that changed, came or went."""
    before, alive_at = dict(_files()), float("-inf")
    while True:
        if time.monotonic() - alive_at > KEEP_ALIVE_EVERY_S:
            keep_alive()
            alive_at = time.monotonic()
        time.sleep(LOOK_EVERY_S)
        now = dict(_files())
        if now != before:
            return str(min(set(now.items()) ^ set(before.items()))[0].relative_to(ROOT))


def _nothing() -> None:
    """What keeps runs alive beside a real worker."""


def _files() -> Iterator[tuple[Path, int]]:
    """Each watched file with the time of its last change."""
    for name in WATCHED:
        for folder, _, files in os.walk(ROOT / name):
            for path in (Path(folder, file) for file in files):
                if path.suffix in SUFFIXES and path.is_file():
                    yield path, path.stat().st_mtime_ns


def _free(port: int) -> int:
    """This port of loopback, or another one where it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.dev", description="The pages with data to look at.")
    parser.add_argument("--port", type=int, default=PORT, help="another free one is taken where this one is in use")
    parser.add_argument("--fresh", action="store_true", help="throw away var/dev first")
    parser.add_argument("--worker", action="store_true", help="start the worker too; it ends runs of silent hosts")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
