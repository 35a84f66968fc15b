"""Makes the image's root directory with mkosi, and takes out what differs from build to build."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from builder import BuildError

NAME = "tree"
LOG_TAIL_LINES = 40


@dataclass(frozen=True)
class Workshop:
    """Where a build keeps what it makes on the way; all of it can be thrown away."""

    cache: Path
    log: Path

    @property
    def output(self) -> Path:
        return self.cache / "mkosi-output"

    @property
    def tree(self) -> Path:
        return self.output / NAME

    @property
    def mkosi(self) -> Path:
        return self.cache / "mkosi"


def build(definition: Path, shop: Workshop, sources: str, proxy: str | None, epoch: int | None) -> None:
    """Run mkosi over `definition`, which has mkosi.conf. Raises BuildError with the end of mkosi's log."""
    sandbox = shop.cache / "mkosi-sandbox"
    for directory in (shop.output, shop.cache / "packages", shop.cache / "workspace"):
        directory.mkdir(parents=True, exist_ok=True)
    listed = sandbox / "etc/apt/sources.list.d/mkosi.sources"
    listed.parent.mkdir(parents=True, exist_ok=True)
    # mkosi's own list has a debug archive, which mirrors need not carry; a file of this name replaces it.
    listed.write_text(sources)
    command = [
        *(sys.executable, "-m", "mkosi", "--force", "--directory", definition, "--output", NAME),
        *("--output-directory", shop.output, "--sandbox-tree", sandbox),
        *("--package-cache-directory", shop.cache / "packages"),
        *("--workspace-directory", shop.cache / "workspace"),
        *(("--proxy-url", proxy) if proxy else ()),
        *(("--source-date-epoch", str(epoch)) if epoch is not None else ()),
        "build",
    ]
    environment = os.environ | {"PYTHONPATH": str(shop.mkosi / "usr/lib/python3/dist-packages")}
    with shop.log.open("w") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        tail = "\n".join(shop.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        raise BuildError(f"mkosi ended with status {done.returncode}; the end of {shop.log}:\n{tail}")


def take_kernel(tree: Path, to: Path) -> str:
    """Move the kernel out of the tree, where nobody reads it; returns its version."""
    [kernel] = tree.glob("usr/lib/modules/*/vmlinuz")
    kernel.replace(to)
    return kernel.parent.name


def clear_identity(tree: Path) -> None:
    """What a build machine, a day or a random number put there."""
    tree.chmod(0o755)
    machine_id = tree / "etc/machine-id"
    machine_id.chmod(0o644)
    # Empty: systemd makes one at each boot. "uninitialized" would mean a first boot each time, with presets.
    machine_id.write_text("")
    for backup in (tree / "etc").glob("*-"):
        backup.unlink()
    shadow = tree / "etc/shadow"
    # The day of the last change of a password that nobody has; 0 would ask for a new one.
    shadow.write_text(re.sub(r"(?m)^([^:]*:[^:]*):\d+:", r"\1:1:", shadow.read_text()))


def shorten_maker_list(tree: Path, makers: Path) -> None:
    """ipmitool reads the registry of enterprise numbers, 5 MB, at each start: keep those in `makers`."""
    lines = [line for line in makers.read_text().splitlines() if not line.startswith("#")]
    wanted = set(" ".join(lines).split())
    registry = tree / "usr/share/misc/enterprise-numbers.txt"
    text = registry.read_text(encoding="utf-8", errors="replace")
    entries = re.findall(r"(?m)^(\d+)\n((?:[ \t]+.*\n?)*)", text)
    kept = [f"{number}\n{details}" for number, details in entries if number in wanted]
    if len(kept) != len(wanted):
        raise BuildError(f"{registry.name} has {len(kept)} of the {len(wanted)} numbers in {makers.name}")
    preamble = re.split(r"(?m)^\d+$", text, maxsplit=1)[0]
    registry.write_text(preamble + "".join(kept))


def packages(shop: Workshop) -> dict[str, str]:
    """Name and version of everything that was installed, from mkosi's manifest."""
    listed = json.loads((shop.output / f"{NAME}.manifest").read_text())["packages"]
    return dict(sorted((package["name"], package["version"]) for package in listed))
