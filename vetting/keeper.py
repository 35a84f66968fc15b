"""A program for systemd: whether dnsmasq or iperf3 may start, and what to do when the worker does not run. It needs no
database and no secret, and works even if Django does not start.

    python -m vetting.keeper start CONFIGURATION DATA        may dnsmasq start?
    python -m vetting.keeper port CONFIGURATION DATA PORT    may iperf3 serve this port?
    python -m vetting.keeper watch CONFIGURATION DATA        does the worker keep dnsmasq current?
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pxe import daemon, order, unwanted
from pxe.link import servers
from pxe.paths import Paths

MAY, MAY_NOT = 0, 1
# After this exit status systemd tries again. After any other it does not start the unit.
TRY_AGAIN = 255
LOCK_WAIT_S = 5.0
SILENT_AFTER_S = 20.0
GIVEN_UP_AFTER_S = 120.0
_KEEP_TIMEOUT_S = 60.0
_WARNING = "<4>"
KEEP = [sys.executable, str(Path(__file__).resolve().parent.parent / "manage.py"), "keep"]


def may_start(configuration: Path, files: Paths) -> int:
    """Allow the start only with current files. An outdated order is removed, or systemd would ask again at once."""
    with order.lock(files, LOCK_WAIT_S) as taken:
        if not taken:
            print(f"{_WARNING}dnsmasq waits: its files are being written")
            return TRY_AGAIN
        why = order.refusal(files, configuration)
        if why:
            order.withdraw(files)
    if why:
        print(f"{_WARNING}dnsmasq is not started: {why}")
    return MAY_NOT if why else MAY


def may_serve(configuration: Path, files: Paths, port: int) -> int:
    """Also yes if vetting.yaml can't be read: then it is not known that this port was removed."""
    from vetting import config

    files.make()
    servers.of_unit(port, files.pid_dir).pid_file.unlink(missing_ok=True)
    try:
        wish = config.load(configuration).iperf3
    except config.ConfigError as error:
        print(f"{_WARNING}{error}")
        return MAY
    return MAY if wish.supervise == "unit" and port in wish.ports else MAY_NOT


def watch(files: Paths, keep: list[str]) -> int:
    """While the worker renews the order there is nothing to do. If it stops, `keep` does its work for dnsmasq. If that
    fails for two minutes, dnsmasq is stopped, since its list of hosts may be outdated."""
    before = order.read(files)
    if before is None or before.age_s() <= SILENT_AFTER_S:
        return 0
    said = _call(keep)
    after = order.read(files)
    if after is None or after.age_s() <= SILENT_AFTER_S:
        return 0
    print(f"{_WARNING}dnsmasq's files are not updated: {said or 'the worker holds its lock'}")
    if after.age_s() > GIVEN_UP_AFTER_S:
        order.withdraw(files)
        for process in unwanted.dnsmasqs(files, "tick"):
            print(f"{_WARNING}{daemon.end(process.pid) or 'dnsmasq ended until there is a worker again'}")
    return 0


def _call(keep: list[str]) -> str:
    """Call it. Returns the last line of its output if it failed."""
    try:
        done = subprocess.run(keep, capture_output=True, text=True, timeout=_KEEP_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"{keep[-1]} took longer than {_KEEP_TIMEOUT_S:.0f} s"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it failed without a message"])[-1]


def main(words: list[str]) -> int:
    what, configuration, data = words[0], Path(words[1]), Path(words[2])
    files = Paths(data / "pxe", data / "run")
    try:
        if what == "port":
            return may_serve(configuration, files, int(words[3]))
        return may_start(configuration, files) if what == "start" else watch(files, KEEP)
    except OSError as error:
        print(f"{_WARNING}{error}")
        return TRY_AGAIN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
