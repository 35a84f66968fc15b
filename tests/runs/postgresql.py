"""A PostgreSQL server of a test's own, on a free port of loopback, thrown away with all that is in it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.e2e.waiting import until
from tests.ports import free_port

DEBIANS = Path("/usr/lib/postgresql")
START_TIMEOUT_S = 60


def binaries() -> Path | None:
    """Where the newest server's programs are; None where there is none. (Debian keeps them out of PATH.)"""
    versions = sorted(DEBIANS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def server(programs: Path, namespace: str = "") -> Iterator[str]:
    """Yields the address of its empty database, as DATABASE_URL wants it. In a network namespace it listens on all
    addresses, and the address is that of its socket, which is reached from everywhere on this machine."""
    folder = Path(tempfile.mkdtemp(prefix="vetting-postgresql-"))
    port, log = free_port(), folder / "log"
    os.chown(folder, *_ids())
    data = str(folder / "data")
    try:
        _run(programs / "initdb", "-D", data, "-U", "vetting", "-A", "trust", "--no-sync")
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        host, inside, run_as = "127.0.0.1", [], _as_plain_user()
        if namespace:
            host, run_as = str(folder), {}
            options |= {"listen_addresses": "*", "unix_socket_directories": host}
            user, group = map(str, _ids())
            inside = ["ip", "netns", "exec", namespace, "setpriv", "--reuid", user, "--regid", group, "--clear-groups"]
            with (folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all 10.0.0.0/8 trust\n")
        flags = [f"-c{name}={value}" for name, value in options.items()]
        argv = [*inside, str(programs / "postgres"), "-D", data, "-p", str(port), *flags]
        with log.open("wb") as output:
            process = subprocess.Popen(argv, stdout=output, stderr=output, cwd=folder, **run_as)
        try:
            ready = [str(programs / "pg_isready"), "-q", "-h", host, "-p", str(port)]
            until(f"PostgreSQL (log: {log})", lambda: subprocess.call(ready) == 0, START_TIMEOUT_S, every_s=0.1)
            _run(programs / "createdb", "-h", host, "-p", str(port), "-U", "vetting", "vetting")
            yield f"postgres://vetting@{quote(host, safe='')}:{port}/vetting"
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing is to be kept
            process.wait()
    finally:
        shutil.rmtree(folder)


def _run(program: Path, *words: str) -> None:
    done = subprocess.run([str(program), *words], capture_output=True, text=True, cwd="/", **_as_plain_user())
    assert done.returncode == 0, f"{program.name}: {done.stderr}"


def _as_plain_user() -> dict[str, Any]:
    """It refuses to run as root."""
    if os.geteuid():
        return {}
    user, group = _ids()
    return {"user": user, "group": group, "extra_groups": []}


def _ids() -> tuple[int, int]:
    """Of the user that runs it: `nobody` where we are root, else ourselves."""
    if os.geteuid():
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
