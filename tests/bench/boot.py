"""Boot files to three hosts at once, beside nginx; and what slow hosts cost.

`at full speed`: three clients fetch the initrd again and again, and throw away what comes. Ours and nginx in turn, so
that both meet the same machine. `slow`: hosts that take little and hold their connections, while agents talk to the
same web process and three more hosts fetch at full speed: by how much the process grows, and how late agents are
answered.

nginx comes from Debian's package, unpacked below var/bench: `scripts/prepare bench`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import psutil

from tests.bench import fleet
from tests.bench.load import Load, Pace
from tests.bench.web import started
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
NGINX = ROOT / "var/bench/usr/sbin/nginx"
IMAGE = ROOT / "var/image/initrd.zst"
# Without a built image, a file of its size.
IMAGE_BYTES = 89_000_000
CLIENTS, FULL_SPEED_S = 3, 5.0
FILE = "/boot/initrd.zst"
SLOW_CLIENTS, SLOW_BYTES, SLOW_S = 25, 16 * 1024, 20.0
AGENTS, WARM_UP_S = 20, 5.0
_CHUNK = 1024 * 1024


def main(rounds: int, *, as_json: bool) -> None:
    """`rounds` of both at full speed, then once with slow hosts."""
    with TemporaryDirectory(prefix="vetting-bench-") as name:
        directory, port = Path(name), free_port()
        image = _image(directory)
        fleet.set_up(directory, port)
        hosts = fleet.claimed_runs(AGENTS)
        from django.conf import settings

        boot_port = settings.VETTING.web.boot_port
        with started("daphne", port, directory) as web, nginx(image, directory) as nginx_port:
            ports = {"vetting": boot_port} | ({"nginx": nginx_port} if nginx_port else {})
            speeds: dict[str, list[float]] = {name: [] for name in ports}
            for _ in range(rounds):
                for name, one in ports.items():
                    speeds[name].append(_mb_per_s(one))
            result = {f"{name}_mb_per_s": round(statistics.median(found)) for name, found in speeds.items()}
            if nginx_port:
                result["ratio"] = round(result["vetting_mb_per_s"] / result["nginx_mb_per_s"], 3)
            result |= _with_slow_hosts(web.pid, port, boot_port, hosts)
    if as_json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name}: {value}")
    if not nginx_port:
        print("without nginx beside it: scripts/prepare bench")


def _image(directory: Path) -> Path:
    """The folder of the built image, as the product looks for it, with an initrd."""
    folder = directory / "image"
    folder.mkdir()
    if IMAGE.exists():
        shutil.copy(IMAGE, folder)
    else:
        (folder / IMAGE.name).write_bytes(os.urandom(IMAGE_BYTES))
    return folder


@contextmanager
def nginx(folder: Path, work: Path) -> Iterator[int]:
    """nginx, set up for large files; its port. 0 if it is not here."""
    program = str(NGINX) if NGINX.exists() else shutil.which("nginx")
    if program is None:
        yield 0
        return
    port, settings = free_port(), work / "nginx.conf"
    settings.write_text(
        f"daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log; worker_processes auto;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;\n"
        f"client_body_temp_path {work}; proxy_temp_path {work}; fastcgi_temp_path {work}; uwsgi_temp_path {work};\n"
        f"scgi_temp_path {work};\n"
        f"server {{ listen 127.0.0.1:{port}; location /boot/ {{ alias {folder}/; }} }} }}\n"
    )
    for path in (work, folder):
        path.chmod(0o755)  # nginx's workers are another user
    process = subprocess.Popen([program, "-c", str(settings), "-e", str(work / "nginx.log")])
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _mb_per_s(port: int) -> float:
    """Of all clients together, from the first byte to the last."""
    stop = Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        began = time.monotonic()
        fetching = [pool.submit(_fetch, port, stop.is_set) for _ in range(CLIENTS)]
        time.sleep(FULL_SPEED_S)
        stop.set()
        taken = sum(one.result() for one in fetching)
        return taken / 1e6 / (time.monotonic() - began)


def _fetch(port: int, is_over: Callable[[], bool]) -> int:
    """Fetch the file again and again until it is over; the bytes that came."""
    taken, buffer = 0, bytearray(_CHUNK)
    while not is_over():
        with _asked(port) as client:
            while (count := client.recv_into(buffer)) and not is_over():
                taken += count
    return taken


def _asked(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.sendall(f"GET {FILE} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return client


def _with_slow_hosts(pid: int, port: int, boot_port: int, hosts: list[fleet.Agent]) -> dict[str, Any]:
    web, stop = psutil.Process(pid), Event()
    before, most = web.memory_info().rss, 0
    slow = [_asked(boot_port) for _ in range(SLOW_CLIENTS)]
    load = Load(port, hosts, Pace(WARM_UP_S + SLOW_S))

    def look(_: float) -> None:
        nonlocal most
        most = max(most, web.memory_info().rss)
        for client in slow:
            with suppress(BlockingIOError):
                client.recv(SLOW_BYTES, socket.MSG_DONTWAIT)

    load.on_second = look
    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(CLIENTS):
            pool.submit(_fetch, boot_port, stop.is_set)
        tally = load.run()
        stop.set()
    for client in slow:
        client.close()
    late = [1000 * one for one in tally.late_s(load.started + WARM_UP_S)]
    return {
        "slow_hosts": SLOW_CLIENTS,
        "grows_by_mb": round((most - before) / 1e6, 1),
        "agents": len(hosts),
        "p50_ms": round(late[len(late) // 2], 1),
        "p99_ms": round(late[int(len(late) * 0.99)], 1),
    }
