"""What `vetting uninstall` removes from this machine, and what stays: the reverse of deploy/install.sh."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_UNITS = ("vetting-keeper.timer", "vetting-web.service", "vetting-worker.service", "vetting-dnsmasq.path",
          "vetting-dnsmasq.service")  # fmt: skip
_IPERF3 = "vetting-iperf3@*.service"
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Places:
    """Where install.sh put what. `memory` is the folder of files that are kept in memory only."""

    base: Path
    conf: Path
    data: Path
    memory: Path
    units: Path = Path("/etc/systemd/system")
    command: Path = Path("/usr/local/bin/vetting")
    completion: Path = Path("/etc/bash_completion.d/vetting")
    user: str = "vetting"


@dataclass(frozen=True)
class Step:
    """`what` says it in words; `take` does it. Taking it twice does no harm."""

    what: str
    take: Callable[[], object]


def steps(of: Places, *, purge: bool = False) -> Iterator[Step]:
    """In this order, so that nothing is started again by what is still there. `purge`: configuration, data and the user
    go, too."""
    ports = sorted(path.name for path in (of.units / "multi-user.target.wants").glob(_IPERF3))
    yield Step("stop and disable web, worker, dnsmasq, keeper and iperf3", lambda: _disable([*_UNITS, *ports]))
    files = sorted(path for path in of.units.glob("vetting-*") if path.suffix in (".service", ".timer", ".path"))
    for path in files:
        yield _removal(path)
    yield Step("systemctl daemon-reload", lambda: _systemctl("daemon-reload"))
    for path in (of.memory, of.completion, of.command):
        if path.exists():
            yield _removal(path)
    yield _removal(of.base, "code, libraries and live image")
    if purge:
        yield _removal(of.data, "database, logs, reports, and the backups that lie there")
        yield _removal(of.conf, "configuration and secrets")
        yield Step(f"remove the user {of.user}", lambda: _run("userdel", of.user))


def what_stays(of: Places, *, purge: bool, database: str) -> list[str]:
    """Sentences. `database`: the name of the server's database, empty with SQLite, whose file is part of the data."""
    stays = ["Packages that install.sh installed with apt stay."]
    if database:
        stays.insert(0, f"The database {database} stays on its server.")
    if not purge:
        stays.insert(
            0, f"Data and backups in {of.data}, configuration and secrets in {of.conf} and user {of.user} stay."
        )
    return stays


def _removal(path: Path, what: str = "") -> Step:
    return Step(f"remove {path}{f' ({what})' if what else ''}", lambda: _remove(path))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _disable(units: list[str]) -> None:
    """iperf3 of a removed port may still run: it has no link any more. The image may just be made smaller."""
    for unit in units:
        _systemctl("disable", "--now", unit)
    _systemctl("stop", _IPERF3)
    _systemctl("stop", "vetting-image.service")


def _systemctl(*words: str) -> None:
    """A unit that is not there is nothing to stop."""
    _run("systemctl", *words)


def _run(*words: str) -> None:
    subprocess.run(words, capture_output=True, check=False, timeout=_TIMEOUT_S)
