"""What an archive may not be: each is refused with its reason before anything of the system was touched."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from runs.models import Run
from tests import factories
from vetting.backups import archive, making

Members = dict[str, bytes]


def members_of(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def write(path: Path, members: Members, *more: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            if name == archive.SQLITE:
                for one in more:
                    tar.addfile(one)


def _info(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def _with(name: str) -> Callable[[Members], Members]:
    return lambda members: {name: b"evil", **members}


def _manifest(**changed: Any) -> Callable[[Members], Members]:
    return lambda members: (
        members | {archive.MANIFEST: json.dumps({**json.loads(members[archive.MANIFEST]), **changed}).encode()}
    )


BAD_CONTENT: dict[str, tuple[Callable[[Members], Members], str]] = {
    "a name that leads out": (_with("../evil"), "which no backup of ours has"),
    "a name that leads out further in": (_with("runs/1/../../../evil"), "which no backup of ours has"),
    "an absolute name": (_with("/etc/cron.d/evil"), "which no backup of ours has"),
    "a hidden name": (_with("runs/1/.bashrc"), "which no backup of ours has"),
    "a name with a line break": (_with("runs/1/a\nb"), "which no backup of ours has"),
    "a file that the manifest does not list": (_with("runs/1/evil.html"), "is not the file that was backed up"),
    "a database that was changed": (
        lambda members: members | {archive.SQLITE: members[archive.SQLITE][:-1] + b"x"},
        "is not the file that was backed up",
    ),
    "a file that is missing": (
        lambda members: {name: data for name, data in members.items() if name != archive.SQLITE},
        "is not the file that was backed up",
    ),
    "no manifest": (
        lambda members: {name: data for name, data in members.items() if name != archive.MANIFEST},
        "the backup was cut off",
    ),
    "a manifest that is no JSON": (lambda members: members | {archive.MANIFEST: b"{"}, "no JSON"),
    "a manifest that is a list": (lambda members: members | {archive.MANIFEST: b"[]"}, "no object"),
    "a manifest without its facts": (_manifest(made_at=None, files=[]), "has no files, made_at"),
    "migrations of another shape": (_manifest(migrations=[["runs", ["0001"]]]), "lists no migrations"),
    "another format": (_manifest(format=99), "format 99"),
    "a newer version": (_manifest(migrations=[["runs", "9999_later"]]), "newer version"),
    "another kind of database": (_manifest(database="postgresql"), "has a postgresql database"),
}


@pytest.fixture
def backup(own_sqlite: None, tmp_path: Path) -> Path:
    factories.queued()
    return making.make(tmp_path / "backup.tar.gz").path


def test_bad_content_is_refused(backup: Path, subtests: pytest.Subtests) -> None:
    good = members_of(backup)
    for name, (spoil, why) in BAD_CONTENT.items():
        bad = backup.with_name(f"{name}.tar.gz")
        write(bad, spoil(good))
        with subtests.test(name), pytest.raises(CommandError, match=f"nothing was restored: .*{why}"):
            call_command("restore", bad, "--yes")
    assert Run.objects.count() == 1
    assert not list(backup.parent.rglob("evil*")) and not list(backup.parent.glob(".restore-*"))


def test_what_is_no_plain_file_is_refused(backup: Path, subtests: pytest.Subtests) -> None:
    kinds = {
        "symbolic link": _info("runs/1/link", tarfile.SYMTYPE, "/etc/passwd"),
        "hard link": _info("runs/1/link", tarfile.LNKTYPE, archive.SQLITE),
        "device": _info("runs/1/device", tarfile.CHRTYPE),
        "pipe": _info("runs/1/pipe", tarfile.FIFOTYPE),
        "the same twice": _info(archive.SQLITE, tarfile.REGTYPE),
    }
    for name, member in kinds.items():
        bad = backup.with_name(f"{name}.tar.gz")
        write(bad, members_of(backup), member)
        with subtests.test(name), pytest.raises(CommandError, match=r"no plain file|twice"):
            call_command("restore", bad, "--yes")


def _pax(headers: dict[str, str]) -> Callable[[tarfile.TarInfo], None]:
    return lambda info: info.pax_headers.update(headers)


HEADERS: dict[str, tuple[Callable[[tarfile.TarInfo], None], int]] = {
    "a long comment": (_pax({"comment": "x" * (1 << 20)}), tarfile.PAX_FORMAT),
    "many words": (_pax({f"word{number}": "x" for number in range(10_000)}), tarfile.PAX_FORMAT),
    "a long name": (lambda info: setattr(info, "name", "x" * (1 << 20)), tarfile.GNU_FORMAT),
    "a sparse file without an end": (
        _pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "runs/1/run.log"}),
        tarfile.PAX_FORMAT,
    ),
}


def test_headers_that_would_fill_the_memory_are_refused(backup: Path, subtests: pytest.Subtests) -> None:
    """tarfile reads them whole before it tells of the file."""
    places = b"%d\n" % 10**9 + b"1\n" * (1 << 20)
    for name, (spoil, form) in HEADERS.items():
        bad, info = backup.with_name(f"{name}.tar.gz"), tarfile.TarInfo("runs/1/run.log")
        info.size = len(places)
        spoil(info)
        with tarfile.open(bad, "w:gz", format=form) as tar:
            tar.addfile(info, io.BytesIO(places))
        with subtests.test(name), pytest.raises(CommandError, match="headers of a file in it are larger than 64 KiB"):
            call_command("restore", bad, "--yes")


def test_what_is_cut_off_or_no_archive_at_all_is_refused(backup: Path, subtests: pytest.Subtests) -> None:
    whole = backup.read_bytes()
    for name, data in {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"hello",
        "damaged": whole[:99] + b"x" * 99,
    }.items():
        bad = backup.with_name(f"{name}.tar.gz")
        bad.write_bytes(data)
        with subtests.test(name), pytest.raises(CommandError, match="nothing was restored"):
            call_command("restore", bad, "--yes")
    assert Run.objects.count() == 1


def test_more_than_there_is_room_for_is_refused(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "free_bytes", lambda path: 1000)
    with pytest.raises(CommandError, match="make room first"):
        call_command("restore", backup, "--yes")


def test_a_database_that_is_damaged_inside_is_not_put_in_place(backup: Path) -> None:
    members = members_of(backup)
    members[archive.SQLITE] = members[archive.SQLITE][:4096] + b"\xff" * 8192 + members[archive.SQLITE][12288:]
    facts = json.loads(members[archive.MANIFEST])
    facts["files"][archive.SQLITE]["sha256"] = hashlib.sha256(members[archive.SQLITE]).hexdigest()
    members[archive.MANIFEST] = json.dumps(facts).encode()
    write(backup, members)
    with pytest.raises(CommandError, match="database is damaged"):
        call_command("restore", backup, "--yes")
    assert Run.objects.count() == 1
