#!/usr/bin/env python3
"""Build the live image: one kernel, one initrd that is the whole system, and iPXE to load them."""

import argparse
import datetime
import fcntl
import os
import shutil
import sys
import time
from pathlib import Path

from builder import BuildError, apt, byte_code, host_tools, inputs, output, sources, tree

DEFINITION = Path(__file__).resolve().parent
AGENT = DEFINITION.parent / "agent"
MIB = 1024 * 1024


class Progress:
    """Prints each step and the time at which it began."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required="--print-packages" not in sys.argv, metavar="DIR")
    parser.add_argument("--level", choices=sorted(output.COMPRESSION), default="fast",
                        help="fast to build, or small to download (default: fast)")  # fmt: skip
    parser.add_argument("--archive-date", type=archive_date, metavar="YYYYMMDD",
                        help="the day of the archive that the apt sources lead to by {date} (default: the day of the "
                             "image that is there, else yesterday; or the day that all addresses have)")  # fmt: skip
    parser.add_argument("--apt-mirror", default=os.environ.get("VETTING_APT_MIRROR"), metavar="URL",
                        help="instead of this machine's own; may hold {archive} and {date}")  # fmt: skip
    parser.add_argument("--apt-sources", type=Path, metavar="FILE", help="deb822 text; may hold {date}")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="default: image-cache beside the output")
    parser.add_argument("--force", action="store_true", help="build although nothing has changed")
    parser.add_argument("--clean", action="store_true", help="remove the cache afterwards, but for the log")
    parser.add_argument("--print-packages", action="store_true", help="what this machine needs installed")
    return parser.parse_args()


def archive_date(text: str) -> str:
    datetime.datetime.strptime(text, "%Y%m%d")
    return text


def apt_sources(options: argparse.Namespace) -> str:
    if options.apt_sources:
        text = options.apt_sources.read_text()
    elif options.apt_mirror:
        text = sources.from_mirror(options.apt_mirror)
    elif options.archive_date:
        raise BuildError(
            "--archive-date needs an archive that keeps its past: --apt-mirror with {date} in its address "
            "(of a snapshot service), or --apt-sources"
        )
    else:
        text = sources.from_machine(Path("/etc/apt"), machine_codename())
    if options.archive_date is None:
        before = None if options.force else output.archive_date(options.output)
        yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        options.archive_date = sources.default_date(text, before, yesterday.strftime("%Y%m%d"))
    return sources.dated(text, options.archive_date)


def machine_codename() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line).get("VERSION_CODENAME", "").strip('"')


def epoch_of(date: str | None) -> int | None:
    if date is None:
        return None
    day = datetime.datetime.strptime(date, "%Y%m%d").replace(tzinfo=datetime.UTC)
    return int(day.timestamp())


def build(options: argparse.Namespace, listed: str, digest: str, progress: Progress) -> None:
    """1. Fetch mkosi and iPXE, 2. make the tree, 3. pack it, 4. put the new image in the old one's place."""
    target = options.output.resolve()
    shop = tree.Workshop(options.cache, options.cache / "build.log")
    progress.say("fetching mkosi and iPXE")
    tools = fetch_tools(shop, listed)
    progress.say(f"installing the system (log: {shop.log})")
    epoch = epoch_of(options.archive_date)
    tree.build(DEFINITION, shop, listed, apt.machine_proxy(), epoch)
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    facts = finish(shop, new, options.level, epoch, progress)
    output.write_manifest(new, {
        "schema": 1,
        "inputs_sha256": digest,
        "level": options.level,
        "archive_date": options.archive_date,
        "reproducible": sources.reproducible(listed, options.archive_date),
        "kernel_args": output.kernel_args(DEFINITION),
        "tools": tools,
        **facts,
    })  # fmt: skip
    output.put_in_place(new, target)
    shutil.rmtree(shop.tree)


def fetch_tools(shop: tree.Workshop, listed: str) -> dict[str, str]:
    private = apt.PrivateApt(shop.cache / "apt", listed)
    private.update()
    for name in ("mkosi", "ipxe"):
        shutil.rmtree(shop.cache / name, ignore_errors=True)
    return {name: private.unpack(name, shop.cache / name) for name in ("mkosi", "ipxe")}


def finish(shop: tree.Workshop, new: Path, level: str, epoch: int | None, progress: Progress) -> dict[str, object]:
    kernel = tree.take_kernel(shop.tree, new / "vmlinuz")
    tree.clear_identity(shop.tree)
    tree.shorten_maker_list(shop.tree, DEFINITION / "bmc-makers.txt")
    agent_sha256 = byte_code.add(shop.tree, AGENT)
    progress.say(f"compressing (level {level})")
    mtime = int(time.time()) if epoch is None else epoch
    unpacked_bytes = output.pack(shop.tree, new / "initrd.zst", level, mtime)
    output.copy_boot_loaders(shop.cache / "ipxe", new / "ipxe")
    return {
        "kernel": kernel,
        "agent_sha256": agent_sha256,
        "unpacked_bytes": unpacked_bytes,
        "files": output.file_facts(new),
        "packages": tree.packages(shop),
    }


def run(options: argparse.Namespace) -> None:
    progress = Progress()
    host_tools.check()
    listed = apt_sources(options)
    digest = inputs.digest(DEFINITION, options.archive_date or "", listed)
    options.cache = (options.cache or options.output.resolve().parent / "image-cache").resolve()
    options.cache.mkdir(parents=True, exist_ok=True)
    with (options.cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if output.is_current(options.output, digest, options.level) and not options.force:
            progress.say(f"{options.output} is current: nothing to build (--force builds anyway)")
            return
        build(options, listed, digest, progress)
        if options.clean:
            clean(options.cache)
    size = (options.output / "initrd.zst").stat().st_size / MIB
    progress.say(f"done: {options.output}, initrd {size:.1f} MiB, {sources.reproducible(listed, options.archive_date)}")


def clean(cache: Path) -> None:
    """Only the log of the build stays, and the lock that is held."""
    for path in cache.iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def main() -> int:
    options = arguments()
    if options.print_packages:
        print(" ".join(host_tools.packages()))
        return 0
    try:
        run(options)
    except BuildError as failed:
        print(f"live image not built: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
