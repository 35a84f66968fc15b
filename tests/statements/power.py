"""Below SQLite: the power goes, a write is torn, a sync is lost, a disk answers EIO. What a scenario writes is replayed
through a VFS of apsw that keeps a log of each write and sync; then the files are put together as they may be found
after each of them, and opened again by the SQLite that the product uses."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
from django.conf import settings
from django.db import connection

from tests.statements.sweep import Scenario, World

_NO_WRITES = ("SELECT", "PRAGMA", "EXPLAIN", "--")
DATABASE, WAL = "db", "db-wal"


@dataclass(frozen=True)
class Wrote:
    """One call of SQLite's to the file layer. `kind` is write, truncate, delete, sync, or told: here a commit was
    answered."""

    kind: str
    file: str = ""
    at: int = 0
    data: bytes = b""


@dataclass
class Outcome:
    """`writes` and `syncs` of the scenario; `openings`: how often a database was put together and opened again."""

    writes: int = 0
    syncs: int = 0
    openings: int = 0
    broken: list[str] = field(default_factory=list)


class Power(apsw.VFS):
    """`fails_at`: the number of the write or sync that answers EIO (from 1)."""

    def __init__(self, fails_at: int = 0) -> None:
        self.log: list[Wrote] = []
        self._fails_at, self._count = fails_at, 0
        super().__init__("power", base="")

    def xOpen(self, name: Any, flags: list[int]) -> PowerFile:
        return PowerFile(self, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:
        self.note(Wrote("delete", Path(name).name))
        super().xDelete(name, sync)

    def note(self, wrote: Wrote) -> None:
        self._count += 1
        if self._count == self._fails_at:
            raise apsw.IOError("the disk answers EIO")
        self.log.append(wrote)


class PowerFile(apsw.VFSFile):
    def __init__(self, vfs: Power, name: Any, flags: list[int]) -> None:
        self._vfs = vfs
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._vfs.note(Wrote("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._vfs.note(Wrote("truncate", self._name, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self._vfs.note(Wrote("sync", self._name))
        super().xSync(flags)


def power_goes(scenario: Scenario, folder: Path) -> Outcome:
    """At each write: what was synced is there, of the rest nothing, all, all with the last torn, or some of it. At each
    write and sync: EIO."""
    sql, before = _recorded(scenario, folder)
    power = Power()
    states = _replayed(power, sql, before, folder)
    outcome = Outcome(sum(one.kind == "write" for one in power.log), sum(one.kind == "sync" for one in power.log))
    for number in range(len(power.log) + 1):
        told = sum(one.kind == "told" for one in power.log[:number])
        for how, files in _found(before, power.log[:number]):
            least = 0 if how == "the syncs were lost" else told
            where = f"{scenario.name}, after {number} of {len(power.log)}, {how}"
            _open_again(outcome, where, files, states[least:], folder)
    for number in range(1, len(power.log) + 1):
        failing = Power(fails_at=number)
        _replayed(failing, sql, before, folder, survives=True)
        told = sum(one.kind == "told" for one in failing.log)
        where = f"{scenario.name}, EIO at {number} of {len(power.log)}"
        _open_again(outcome, where, _on_disk(folder), states[told:], folder)
    return outcome


def _on_disk(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (DATABASE, WAL) if (folder / name).exists()}


def _recorded(scenario: Scenario, folder: Path) -> tuple[list[str], bytes]:
    """What the scenario's call writes, with its transactions; and the database before it."""
    act, world, said = scenario.prepare(), World(), list[str]()
    with world.restored():
        connection.ensure_connection()
        connection.connection.set_trace_callback(said.append)
        act(set())
        connection.connection.set_trace_callback(None)
    for name in (DATABASE, WAL):
        (folder / name).unlink(missing_ok=True)
    with closing(sqlite3.connect(folder / DATABASE)) as file:
        world.rows.rows.backup(file)  # type: ignore[attr-defined]
        file.execute("PRAGMA journal_mode=WAL")
    return [text for text in said if not text.startswith(_NO_WRITES)], (folder / DATABASE).read_bytes()


def _replayed(power: Power, sql: list[str], before: bytes, folder: Path, *, survives: bool = False) -> list[str]:
    """The digests of what is in the tables before it, and after each commit: of copies, since two libraries of SQLite
    in one process know no locks of each other. At the end all is copied from the write-ahead log into the database."""
    for path in folder.glob(f"{DATABASE}-*"):
        path.unlink()
    (folder / DATABASE).write_bytes(before)
    states = [_digest(folder / DATABASE)]
    database = apsw.Connection(str(folder / DATABASE), vfs="power")
    try:
        for pragma in settings.DATABASES["default"]["OPTIONS"]["init_command"].split(";"):
            database.execute(pragma)
        for text in [*sql, "PRAGMA wal_checkpoint(TRUNCATE)"]:
            database.execute(text).fetchall()
            if database.in_transaction is False and not text.startswith("PRAGMA"):
                power.note(Wrote("told"))
                states.append("" if survives else _digest(_put(_on_disk(folder), folder)))
    except apsw.Error:
        if not survives:
            raise
    finally:
        _close(database)
    return states


def _close(database: apsw.Connection) -> None:
    """As a process that ends: what it would still copy on closing is left."""
    database.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    try:
        database.close()
    except apsw.Error:
        database.close(True)


def _found(before: bytes, log: list[Wrote]) -> Iterator[tuple[str, dict[str, bytes]]]:
    kept: list[Wrote] = []
    loose: list[Wrote] = []
    for one in log:
        if one.kind == "sync":
            kept += [other for other in loose if other.file == one.file]
            loose = [other for other in loose if other.file != one.file]
        elif one.kind != "told":
            loose.append(one)
    dice = random.Random(len(log))
    yield "all is there", _files(before, [*kept, *loose])
    if loose:
        last = loose[-1]
        torn = Wrote(last.kind, last.file, last.at, last.data[: len(last.data) // 2])
        yield "nothing that was not synced is there", _files(before, kept)
        yield "the last write is torn", _files(before, [*kept, *loose[:-1], torn])
        yield "some of it is there", _files(before, [*kept, *(one for one in loose if dice.random() < 0.5)])
    writes = [one for one in log if one.kind not in ("sync", "told")]
    yield "the syncs were lost", _files(before, writes[: dice.randrange(len(writes) + 1)])


def _files(before: bytes, writes: list[Wrote]) -> dict[str, bytes]:
    files = {DATABASE: bytearray(before), WAL: bytearray()}
    for one in writes:
        content = files.get(one.file)
        if content is None:
            continue
        if one.kind == "write":
            content.extend(bytes(max(0, one.at - len(content))))
            content[one.at : one.at + len(one.data)] = one.data
        else:
            del content[one.at :]
    return {name: bytes(content) for name, content in files.items()}


def _open_again(outcome: Outcome, where: str, files: dict[str, bytes], allowed: list[str], folder: Path) -> None:
    path = _put(files, folder)
    outcome.openings += 1
    with closing(sqlite3.connect(path)) as database:
        try:
            said = database.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            said = str(error)
    if said != "ok":
        outcome.broken.append(f"{where}: {said}")
    elif _digest(path) not in allowed:
        outcome.broken.append(f"{where}: what was answered is gone, or a half is there")


def _put(files: dict[str, bytes], folder: Path) -> Path:
    found = folder / "found"
    found.mkdir(exist_ok=True)
    for path in found.iterdir():
        path.unlink()
    for name, content in files.items():
        if name == DATABASE or content:
            (found / name).write_bytes(content)
    return found / DATABASE


def _digest(path: Path) -> str:
    """Of every row of every table."""
    made = sha256()
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        for (table,) in database.execute(query).fetchall():
            for row in database.execute(f'SELECT * FROM "{table}" ORDER BY rowid'):
                made.update(repr(row).encode())
    return made.hexdigest()
