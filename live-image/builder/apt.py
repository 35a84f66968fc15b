"""An apt of our own beside the machine's: other sources, lists and cache; the machine's proxy and keys."""

import subprocess
from pathlib import Path

from builder import BuildError


class PrivateApt:
    """apt-get with sources and state under one directory; the machine's own are not changed."""

    def __init__(self, root: Path, sources: str) -> None:
        self.root = root
        for directory in ("etc", "state/lists/partial", "cache/archives/partial", "downloads"):
            (root / directory).mkdir(parents=True, exist_ok=True)
        (root / "etc" / "image.sources").write_text(sources)
        (root / "state" / "status").touch()

    def update(self) -> None:
        self._run("update", "-o", "APT::Update::Error-Mode=any")

    def unpack(self, package: str, into: Path) -> str:
        """Put the package's files under `into`, without installing it; returns its version."""
        self._run("download", package)
        [deb] = sorted((self.root / "downloads").glob(f"{package}_*.deb"))[-1:]
        subprocess.run(["dpkg-deb", "--extract", deb, into], check=True)
        shown = subprocess.run(["dpkg-deb", "--field", deb, "Version"], check=True, capture_output=True, text=True)
        deb.unlink()
        return shown.stdout.strip()

    def _run(self, *arguments: str) -> None:
        command = ["apt-get", "-q", *self._options(), *arguments]
        done = subprocess.run(command, cwd=self.root / "downloads", capture_output=True, text=True)
        if done.returncode != 0:
            raise BuildError(f"apt-get {' '.join(arguments)} failed:\n{done.stderr.strip()}\n{ADVICE}")

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self.root / "etc",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self.root / "state",
            "Dir::State::status": self.root / "state" / "status",
            "Dir::Cache": self.root / "cache",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root",
            "Acquire::Check-Valid-Until": "false",
            "Acquire::Languages": "none",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


ADVICE = (
    "The archive is from this machine's apt sources, --apt-mirror or --apt-sources. NO_PUBKEY means that the "
    "package debian-archive-keyring is too old to know Debian 13: upgrade it."
)


def machine_proxy() -> str | None:
    """The proxy that the machine's apt is set to use for http."""
    shown = subprocess.run(
        ["apt-config", "shell", "PROXY", "Acquire::http::Proxy"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return shown.removeprefix("PROXY=").strip("'\"") or None
