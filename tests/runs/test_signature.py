"""A report that left the installation can be checked, and any change of it is noticed."""

from __future__ import annotations

import random
import shutil
import subprocess
import zipfile
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.management import CommandError, call_command

from runs.models import Run
from runs.reports import checking, exports, signing
from runs.reports import write as report
from tests import rows
from tests.runs.test_report import failed_run

OTHER_SECRET = "another secret key, which is as long as it has to be"


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    settings.RUNS_DIR = tmp_path / "runs"


def verify(*arguments: Any) -> str:
    out = StringIO()
    call_command("verify", *map(str, arguments), stdout=out)
    return out.getvalue()


def a_report(run: Run, tmp_path: Path) -> Path:
    report.write(run)
    for name in (report.JSON_NAME, report.SIGNATURE_NAME):
        shutil.copy(tmp_path / "runs" / str(run.pk) / name, tmp_path)
    return tmp_path / report.JSON_NAME


@pytest.mark.django_db
def test_a_report_as_it_was_written_is_genuine(tmp_path: Path) -> None:
    assert verify(a_report(failed_run(), tmp_path)).endswith(", of this installation)\n")


@pytest.mark.django_db
def test_every_kind_of_byte_that_is_changed_added_or_taken_away_is_noticed(tmp_path: Path) -> None:
    path = a_report(failed_run(), tmp_path)
    whole, key, chance = path.read_bytes(), signing.public_key(), random.Random(15)
    kinds = {byte: whole.index(byte) for byte in sorted(set(whole))}  # letters, figures, quotes, blanks, line breaks, …
    changed = [whole[:at] + bytes([byte ^ 1 << chance.randrange(8)]) + whole[at + 1 :] for byte, at in kinds.items()]
    changed += [whole + b"\n", b" " + whole, whole[:-1], whole[1:], whole.replace(b"\n", b"\r\n"), b"", whole + whole]
    for data in changed:
        path.write_bytes(data)
        assert "differs" in checking.problem(path, key)
    path.write_bytes(whole)
    assert checking.problem(path, key) == ""


@pytest.mark.django_db
def test_a_changed_shortened_or_missing_signature_proves_nothing(tmp_path: Path) -> None:
    path = a_report(failed_run(), tmp_path)
    signature = tmp_path / report.SIGNATURE_NAME
    whole, key = signature.read_bytes(), signing.public_key()
    for data in (whole[:-1], whole + b"\0", bytes(64), b"", whole[::-1]):
        signature.write_bytes(data)
        assert checking.problem(path, key) != ""
    signature.unlink()
    with pytest.raises(CommandError) as refused:
        verify(path)
    assert refused.value.returncode == 1


@pytest.mark.django_db
def test_it_is_checked_elsewhere_by_the_public_key_and_by_no_other(tmp_path: Path, settings: Any) -> None:
    path, key = a_report(failed_run(), tmp_path), tmp_path / "key.pem"
    key.write_text(verify("--public-key"))
    settings.SECRET_KEY = OTHER_SECRET
    assert verify(path, "--key", key).endswith("genuine (key " + signing.fingerprint(key.read_bytes()) + ")\n")
    with pytest.raises(CommandError):
        verify(path)


def test_openssl_agrees(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: apt-get install openssl")
    data, key = tmp_path / "data", tmp_path / "key.pem"
    data.write_bytes(b"a report")
    (tmp_path / "data.sig").write_bytes(signing.sign(b"a report"))
    key.write_bytes(signing.public_key())
    command = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        key,
        "-rawin",
        "-in",
        data,
        "-sigfile",
        f"{data}.sig",
    ]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    data.write_bytes(b"A report")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_a_key_of_another_kind_and_a_wrong_call_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no key")
    rsa = generate_private_key(65537, 2048).public_key()
    (tmp_path / "rsa.pem").write_bytes(rsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "file").write_text("x")
    for arguments in ((), ("file", "--key", "text.pem"), ("file", "--key", "rsa.pem"), ("file", "--key", "none.pem")):
        with pytest.raises(CommandError) as refused:
            verify(*(tmp_path / one if one[0] != "-" else one for one in arguments))
        assert refused.value.returncode == 4


@pytest.fixture
def pack(db: None) -> bytes:
    run = failed_run()
    return exports.BY_NAME["rma.zip"].make(run, exports.content_of(run))


def repacked(pack: bytes, **changes: bytes | None) -> bytes:
    """The archive with these entries replaced, added or (None) left out."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(pack)) as old, zipfile.ZipFile(out, "w") as new:
        files = {name: old.read(name) for name in old.namelist()} | changes
        for name, data in files.items():
            if data is not None:
                new.writestr(name, data)
    return out.getvalue()


def test_a_pack_is_genuine_however_it_is_packed(pack: bytes, tmp_path: Path) -> None:
    for data in (pack, repacked(pack)):
        (tmp_path / "rma.zip").write_bytes(data)
        assert ": genuine" in verify(tmp_path / "rma.zip")


@pytest.mark.parametrize(
    "changes",
    [
        {"report.json": b"{}"},
        {"certificate.txt": b"passed"},
        {"certificate.txt": None},
        {"run.log.exe": b"MZ"},
        {"SHA256SUMS": b""},
        {"SHA256SUMS": None},
        {"SHA256SUMS.sig": None},
        {"SHA256SUMS.sig": bytes(64)},
    ],
)
def test_a_pack_with_another_entry_is_not_genuine(pack: bytes, tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "rma.zip").write_bytes(repacked(pack, **changes))
    assert checking.problem(tmp_path / "rma.zip", signing.public_key()) != ""


def test_a_pack_that_somebody_signed_anew_is_not_ours(pack: bytes, tmp_path: Path, settings: Any) -> None:
    """Its own public key is a copy, and is never trusted."""
    ours = signing.public_key()
    settings.SECRET_KEY = OTHER_SECRET
    with zipfile.ZipFile(BytesIO(pack)) as old:
        sums = old.read("SHA256SUMS")
    forged = {"SHA256SUMS.sig": signing.sign(sums), "public-key.pem": signing.public_key()}
    (tmp_path / "rma.zip").write_bytes(repacked(pack, **forged))
    assert "another key" in checking.problem(tmp_path / "rma.zip", ours)


def test_a_damaged_pack_is_never_genuine_with_other_contents(pack: bytes, tmp_path: Path) -> None:
    """A byte of an archive that no content depends on (a time, say) may differ."""
    path, key, chance = tmp_path / "rma.zip", signing.public_key(), random.Random(15)
    with zipfile.ZipFile(BytesIO(pack)) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(150):
        at = chance.randrange(len(pack))
        path.write_bytes(pack[:at] + bytes([pack[at] ^ 1 << chance.randrange(8)]) + pack[at + 1 :])
        if checking.problem(path, key) == "":
            with zipfile.ZipFile(path) as archive:
                read = {name: archive.read(name) for name in archive.namelist() if name != "public-key.pem"}
            assert read.items() <= whole.items()


@pytest.mark.django_db
def test_a_host_without_any_result_has_a_signed_report_too(tmp_path: Path) -> None:
    assert "genuine" in verify(a_report(rows.a_run(state="Failed", verdict="error", bench_error="no DHCP"), tmp_path))
