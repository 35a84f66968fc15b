#!/usr/bin/env python3
"""Make an archive from which Vetting is installed without a network: make release

    scripts/release.py [--output var/release] [--image var/image] [--key FILE]

vetting-VERSION-COMMIT.tar has the code of the commit, the Python packages of the lock file for Debian 12 and 13, the
live image, bills of materials (CycloneDX), and SHA256SUMS of all of it, signed. `deploy/install.sh --offline` checks
signature and sums before it installs anything.

The signature is one of OpenSSH (`ssh-keygen -Y sign`, namespace "vetting-release"): its tool is in Debian's own
openssh-client. Without --key, a key pair is made beside the archive at the first time. Installations need the public
key, vetting-release.pub.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = "requirements/base.txt"
PYTHONS = ("3.11", "3.13")
"""Debian 12 and 13."""
# glibc of Debian 12 is 2.36.
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in (36, 34, 31, 28, 17, 12, 5)),
    "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64",
)  # fmt: skip
# Three packages of the lock file have no wheel: pip builds them at the installation, by these. With hashes, since the
# release signs whatever comes.
BUILDERS = """\
setuptools==80.9.0 --hash=sha256:062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922
wheel==0.45.1 --hash=sha256:708e7481cc80179af0e556bbf0cc00b8444c7321e2700b8d8580231d13017248
"""
INSIDE = "vetting"
LINKS = "LINKS"
SUMS, SIGNATURE, NAMESPACE = "SHA256SUMS", "SHA256SUMS.sig", "vetting-release"
PUBLIC_KEY = "vetting-release.pub"
IMAGE = ("vmlinuz", "initrd.zst", "manifest.json", "ipxe")


_BEGAN = time.monotonic()


class CanNotRelease(Exception):
    """What is missing, and the command that makes it."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make an archive from which Vetting is installed without a network.")
    parser.add_argument("--output", type=Path, default=ROOT / "var/release", help="a directory; made if it is missing")
    parser.add_argument("--image", type=Path, default=ROOT / "var/image", help="where `make image` has put the image")
    parser.add_argument("--key", type=Path, help="the private key that signs (ssh-keygen -t ed25519)")
    asked = parser.parse_args(argv)
    try:
        archive = release(asked.output, asked.image, asked.key)
    except CanNotRelease as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    print(f"{archive} ({archive.stat().st_size / 1e6:.0f} MB), SHA-256 {_sha256(archive)}")
    print(f"deploy/install.sh --offline {archive.name} --key {PUBLIC_KEY} installs from it")
    return 0


def release(output: Path, image: Path, key: Path | None) -> Path:
    """1. Lay the parts out in a folder, 2. sign their sums, 3. pack it. Returns the archive."""
    output.mkdir(parents=True, exist_ok=True)
    commit = _said("git", "-C", str(ROOT), "rev-parse", "HEAD")
    folder = output / INSIDE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _step(f"code of commit {commit[:12]}")
    lay_code(folder / "code", commit)
    _step("live image")
    lay_image(folder / "image", image)
    _step("Python packages (from the registry, or as they were downloaded before)")
    lay_wheels(folder / "wheels", output / "wheels")
    _step("bills of materials")
    _call(sys.executable, str(ROOT / "scripts/sbom.py"), "--output", str(folder / "sbom"), "--image", str(image))
    _step("sums, and their signature")
    sign(folder, key or own_key(output), output)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    archive = output / f"vetting-{version}-{commit[:12]}.tar"
    _step("packing")
    pack(folder, archive, int(_said("git", "-C", str(ROOT), "log", "-1", "--format=%ct")))
    shutil.rmtree(folder)
    return archive


def lay_code(target: Path, commit: str) -> None:
    """What install.sh installs, as it was committed: whatever else lies in the checkout does not matter."""
    text = _said("git", "-C", str(ROOT), "show", f"{commit}:deploy/install.sh")
    names = text.split('code="', 1)[1].split('"', 1)[0].split()
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", commit, *names], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(target, filter="tar")
    (target / "COMMIT").write_text(f"{commit}\n")


def lay_image(target: Path, image: Path) -> None:
    if missing := [name for name in IMAGE if not (image / name).exists()]:
        raise CanNotRelease(f"{image} is no live image ({', '.join(missing)} missing): make image LEVEL=small")
    target.mkdir()
    for name in IMAGE:
        copy = shutil.copytree if (image / name).is_dir() else shutil.copyfile
        copy(image / name, target / name)


def lay_wheels(target: Path, cache: Path) -> None:
    """The files of the lock file, by its hashes. They are kept in `cache`, from where only those of today are taken."""
    cache.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download", "--no-deps"]
    target.mkdir()
    for python in PYTHONS:
        words = ["--implementation", "cp", "--python-version", python]
        words += [word for platform in PLATFORMS for word in ("--platform", platform)]
        _fetch(*pip, *words, "--require-hashes", "-d", str(cache), "-r", str(ROOT / LOCK), cache=cache)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as builders:
        builders.write(BUILDERS)
        builders.flush()
        _fetch(*pip, "--require-hashes", "-d", str(cache), "-r", builders.name, cache=cache)
    locked = (ROOT / LOCK).read_text() + BUILDERS
    for file in sorted(cache.iterdir()):
        if f"sha256:{_sha256(file)}" in locked:
            shutil.copyfile(file, target / file.name)


def _fetch(*words: str, cache: Path) -> None:
    """From the cache alone; from the registry if something is missing there."""
    try:
        _call(*words, "--no-index", "--find-links", str(cache))
    except CanNotRelease:
        _call(*words)


def own_key(output: Path) -> Path:
    key = output / "release-key"
    if not key.exists():
        comment = "a key of this checkout; use --key for one of yours"
        _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key))
    return key


def sign(folder: Path, key: Path, output: Path) -> None:
    """Write the sums of every file below `folder`, and sign them. The symbolic links are a file of their own, so that
    none can be added. The public key goes beside the archive."""
    links = [path for path in sorted(folder.rglob("*")) if path.is_symlink()]
    (folder / LINKS).write_text("".join(f"./{one.relative_to(folder)} {one.readlink()}\n" for one in links))
    lines = [f"{_sha256(file)}  ./{file.relative_to(folder)}\n" for file in files(folder)]
    (folder / SUMS).write_text("".join(lines))
    _call("ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(folder / SUMS))
    public = _said("ssh-keygen", "-y", "-f", str(key))
    (output / PUBLIC_KEY).write_text(f"{public}\n")


def files(folder: Path) -> Iterator[Path]:
    """Every file, in a fixed order; without symbolic links."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def pack(folder: Path, archive: Path, mtime: int) -> None:
    """The same folder makes the same bytes."""

    def bare(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime, member.uid, member.gid, member.uname, member.gname = mtime, 0, 0, "", ""
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    new = archive.with_name(f".{archive.name}.new")
    with tarfile.open(new, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(folder / SUMS, f"{INSIDE}/{SUMS}", filter=bare)
        tar.add(folder / SIGNATURE, f"{INSIDE}/{SIGNATURE}", filter=bare)
        for path in sorted(folder.rglob("*")):
            if path.name not in (SUMS, SIGNATURE) or path.parent != folder:
                tar.add(path, f"{INSIDE}/{path.relative_to(folder)}", recursive=False, filter=bare)
    new.rename(archive)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _call(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise CanNotRelease(f"{' '.join(words[:4])} … failed: {done.stderr.strip()[-500:]}")


def _said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise CanNotRelease(f"{' '.join(words)} failed: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def _step(text: str) -> None:
    print(f"[{time.monotonic() - _BEGAN:6.1f} s] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
