"""A release archive, and what install.sh makes of one that is whole, damaged, changed, or not of a known maker."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import release
from tests.deploy.debian import ROOT, SCRIPT, copy_checkout
from vetting import version

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="apt-get install openssh-client")


def a_folder(at: Path) -> Path:
    """What an archive holds, with nothing in its packages and image."""
    copy_checkout(at / "code")
    (at / "code/COMMIT").write_text("0" * 40 + "\n")
    for name in ("wheels/one.whl", "image/vmlinuz", "image/initrd.zst", "image/manifest.json", "image/ipxe/x.efi"):
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(name)
    return at


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `good.tar`, its folder, and its public key."""
    output = tmp_path_factory.mktemp("release")
    folder = a_folder(output / "vetting")
    release.sign(folder, release.own_key(output), output)
    release.pack(folder, output / "good.tar", 0)
    return output


def install(archive: Path, key: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = ["sh", str(SCRIPT), "--offline", str(archive), "--key", str(key), "--dry-run", *more]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


def test_the_same_folder_makes_the_same_archive(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "vetting", tmp_path / "vetting", symlinks=True)
    os.utime(tmp_path / "vetting/code/manage.py")
    release.pack(tmp_path / "vetting", tmp_path / "again.tar", 0)
    assert (tmp_path / "again.tar").read_bytes() == (made / "good.tar").read_bytes()


def test_a_good_one_is_installed_without_a_registry_and_leaves_nothing_behind(made: Path) -> None:
    done = install(made / "good.tar", made / release.PUBLIC_KEY)
    if "Debian packages are missing" in done.stderr:
        assert "--offline fetches none" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert "Signature is good" in done.stdout and "Sums are good" in done.stdout
    assert "install --no-index --find-links /var/tmp/vetting-release." in done.stdout
    assert "apt-get" not in done.stdout and "build.py" not in done.stdout
    assert not list(Path("/var/tmp").glob("vetting-release.*"))


def _changed(folder: Path) -> None:
    (folder / "code/manage.py").write_text("import os\n")


def _more(folder: Path) -> None:
    (folder / "code/vetting/sitecustomize.py").write_text("import os\n")


def _link(folder: Path) -> None:
    (folder / "code/vetting/link").symlink_to("/etc/shadow")


def _other_sums(folder: Path) -> None:
    _changed(folder)
    sums = (folder / release.SUMS).read_text().splitlines()
    new = release._sha256(folder / "code/manage.py")
    lines = [f"{new}  ./code/manage.py" if one.endswith("./code/manage.py") else one for one in sums]
    (folder / release.SUMS).write_text("\n".join(lines) + "\n")


def _less(folder: Path) -> None:
    (folder / "wheels/one.whl").unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_changed, "was changed after it was signed: ./code/manage.py: FAILED"),
        (_less, "./wheels/one.whl"),
        (_more, "files that its signed sums do not name"),
        (_link, "links that its signed sums do not name"),
        (_other_sums, "the signature of"),
    ],
)
def test_one_that_was_changed_is_refused(made: Path, tmp_path: Path, spoil: Callable[[Path], None], says: str) -> None:
    shutil.copytree(made / "vetting", tmp_path / "vetting", symlinks=True)
    spoil(tmp_path / "vetting")
    release.pack(tmp_path / "vetting", tmp_path / "bad.tar", 0)
    done = install(tmp_path / "bad.tar", made / release.PUBLIC_KEY)
    assert done.returncode == 1 and says in done.stderr, done.stderr
    assert "Packages" not in done.stdout and not list(Path("/var/tmp").glob("vetting-release.*"))


def _add(archive: Path, member: tarfile.TarInfo, content: bytes = b"") -> None:
    member.size = len(content)
    with tarfile.open(archive, "a", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(content))


def test_a_second_list_of_sums_behind_the_signed_one_is_refused(made: Path, tmp_path: Path) -> None:
    """tar unpacks both, and the last one stays."""
    shutil.copytree(made / "vetting", tmp_path / "vetting", symlinks=True)
    _changed(tmp_path / "vetting")
    release.pack(tmp_path / "vetting", tmp_path / "bad.tar", 0)
    _other_sums(tmp_path / "vetting")
    forged = (tmp_path / "vetting" / release.SUMS).read_bytes()
    _add(tmp_path / "bad.tar", tarfile.TarInfo(f"vetting/{release.SUMS}"), forged)
    done = install(tmp_path / "bad.tar", made / release.PUBLIC_KEY)
    assert done.returncode == 1 and "sums that are not the signed ones" in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["listed", "links", "differ", "signers"])
def test_no_link_of_an_archive_leads_what_is_written_meanwhile_elsewhere(made: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "precious").write_text("kept")
    shutil.copyfile(made / "good.tar", tmp_path / "bad.tar")
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "precious")
    _add(tmp_path / "bad.tar", link)
    install(tmp_path / "bad.tar", made / release.PUBLIC_KEY)
    assert (tmp_path / "precious").read_text() == "kept"


def test_one_of_another_maker_is_refused(made: Path, tmp_path: Path) -> None:
    other = release.own_key(tmp_path).with_suffix(".pub")
    done = install(made / "good.tar", other)
    assert done.returncode == 1 and f"is not one of {other}" in done.stderr


def test_half_of_one_and_no_archive_at_all_are_refused(made: Path, tmp_path: Path) -> None:
    whole = (made / "good.tar").read_bytes()
    (tmp_path / "half.tar").write_bytes(whole[: len(whole) // 2])
    assert "can't be unpacked: is it whole?" in install(tmp_path / "half.tar", made / release.PUBLIC_KEY).stderr
    (tmp_path / "none.tar").write_text("nothing")
    assert "is no release archive" in install(tmp_path / "none.tar", made / release.PUBLIC_KEY).stderr
    assert "can't be read" in install(tmp_path / "missing.tar", made / release.PUBLIC_KEY).stderr


def test_without_a_key_nothing_is_trusted(made: Path) -> None:
    words = ["sh", str(SCRIPT), "--offline", str(made / "good.tar")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "--offline needs --key FILE" in done.stderr


def test_the_code_is_that_of_the_commit(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a clone, not an export")
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    release.lay_code(tmp_path / "code", head.stdout.strip())
    assert f'VERSION = "{version.VERSION}"' in (tmp_path / "code/vetting/version.py").read_text()
    assert (tmp_path / "code/COMMIT").read_text() == head.stdout


def test_without_an_image_it_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(release.CanNotRelease, match="make image"):
        release.lay_image(tmp_path / "image", tmp_path / "none")


def test_only_files_with_a_known_hash_come_into_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(release, "_fetch", lambda *words, cache: asked.extend(words))
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "setuptools-80.9.0-py3-none-any.whl").write_text("another one of that name")
    release.lay_wheels(tmp_path / "wheels", cache)
    assert list((tmp_path / "wheels").iterdir()) == []
    assert asked.count("--require-hashes") == asked.count("download") == 3
