"""The boot files' listener on a real socket, with honest, slow and hostile clients."""

from __future__ import annotations

import errno
import http.client
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils import timezone

from pxe import bootfiles, bootrequest, rungs
from pxe.bootfiles import Listener
from pxe.bootrequest import BadRequest, Request
from pxe.paths import Paths
from runs import ladder, lifecycle
from runs.machine import State
from runs.models import Run, Rung
from tests.rows import a_host, a_run

Bench = Callable[..., Paths]


@pytest.fixture
def listener(bench: Bench) -> Iterator[Listener]:
    """In a thread of its own, as beside the web server; slow clients are cut off after half a second."""
    listener = Listener(bootfiles.bind("127.0.0.1", 0), piece_timeout_s=0.5)
    thread = threading.Thread(target=listener.serve)
    thread.start()
    yield listener
    listener.close()
    thread.join(5)
    listener.sock.close()


@pytest.fixture
def port(listener: Listener) -> int:
    return listener.sock.getsockname()[1]


def wait_until(true: Callable[[], bool], limit_s: float = 10.0) -> None:
    ends = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < ends, f"not so within {limit_s} s"
        select.select([], [], [], 0.01)


def ask(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def _all_of(client: socket.socket) -> int:
    """How many bytes still come until the other side ends, in whatever way."""
    received = 0
    try:
        while data := client.recv(1 << 20):
            received += len(data)
    except ConnectionResetError:
        pass
    return received


def test_kernel_initrd_and_loaders_are_sent_whole(port: int, settings: Any) -> None:
    for path, file in (("vmlinuz", "vmlinuz"), ("initrd.zst", "initrd.zst"), ("ipxe/snponly.efi", "ipxe/snponly.efi")):
        status, headers, body = ask(port, f"/boot/{path}")
        assert (status, body) == (200, (settings.IMAGE_DIR / file).read_bytes())
        assert headers["Content-Length"] == str(len(body)) and headers["ETag"]


def test_head_answers_the_length_and_no_body(port: int, settings: Any) -> None:
    status, headers, body = ask(port, "/boot/vmlinuz", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == str((settings.IMAGE_DIR / "vmlinuz").stat().st_size)


def test_the_agent_is_sent_as_an_archive(port: int) -> None:
    status, _, body = ask(port, "/boot/agent.cpio")
    assert status == 200 and body.startswith(b"070701") and b"usr/lib/vetting/agent/contract/wire.py" in body


def test_an_extra_initrd_is_served_only_where_one_is_configured(port: int, bench: Bench, tmp_path: Path) -> None:
    assert ask(port, "/boot/extra.cpio")[0] == 404
    (tmp_path / "more.cpio").write_bytes(b"more")
    bench(boot_files={"extra_initrd": str(tmp_path / "more.cpio")})
    assert ask(port, "/boot/extra.cpio")[2] == b"more"
    assert bootfiles.initrds() == ("initrd.zst", "agent.cpio", "extra.cpio")


@pytest.mark.parametrize(
    "path",
    ["/", "/boot/", "/boot/../image/manifest.json", "/boot/ipxe/../manifest.json", "/etc/passwd", "/boot/manifest.json",
     "/boot/%2e%2e/image/vmlinuz", "//boot/vmlinuz", "/boot/vmlinuz/", "http://x/boot/initrd"],
)  # fmt: skip
def test_nothing_but_the_table_is_served(port: int, path: str) -> None:
    assert ask(port, path)[0] == 404


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /boot/vmlinuz HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /boot/vmlinuz HTTP/2.0\r\n\r\n", b"505"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET http://[ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /boot/vmlinuz?" + b"a=1&" * 50 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /boot/vmlinuz HTTP/1.1\r\nX: " + b"a" * 9000, b"431"),
        (b"GET /boot/vmlinuz HTTP/1.1\r\n", b"400"),
    ],
)
def test_what_is_not_a_plain_request_is_refused_and_the_next_is_served(port: int, data: bytes, status: bytes) -> None:
    assert raw(port, data).split(b" ")[1] == status
    assert ask(port, "/boot/vmlinuz", "HEAD")[0] == 200


def test_a_missing_image_is_404_with_what_to_do(port: int, settings: Any) -> None:
    (settings.IMAGE_DIR / "initrd.zst").unlink()
    status, _, body = ask(port, "/boot/initrd.zst")
    assert status == 404 and b"make image" in body


@pytest.fixture
def booting() -> Run:
    return a_run(a_host(), state=State.BOOTING, verdict="", boot=1, started_at=timezone.now())


def is_refused(path: str, error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding `path` of the image fails like this. (Root may read everything, so the mode of a file is no test.)"""

    def find() -> Path:
        raise error

    real = bootfiles.table
    monkeypatch.setattr(bootfiles, "table", lambda: real() | {path: find})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_file_that_our_disk_does_not_give_is_our_fault_in_answer_log_and_history(
    port: int, booting: Run, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lifecycle.record_rung(booting, Rung.INITRD)
    is_refused("/boot/agent.cpio", OSError(number, os.strerror(number), "agent-1.cpio"), monkeypatch)
    status, _, body = ask(port, f"/boot/agent.cpio?run={booting.pk}&boot=1")
    why = f"/boot/agent.cpio can't be read here ({os.strerror(number)}): look at the orchestrator's disk"
    assert (status, body.decode()) == (503, f"{why}\n")
    assert [record.levelname for record in caplog.records if why in record.message] == ["WARNING"]
    assert not [record for record in caplog.records if "went away" in record.message]
    rungs.wait_until_recorded()
    assert booting.events.get(kind="boot_file_not_read").text == why
    assert ladder.stopped_at(booting).startswith(f"Our own fault: {why}. Kernel and initrd were delivered")


@pytest.mark.django_db(transaction=True)
def test_a_file_that_cannot_be_read_to_its_end_is_our_fault(
    port: int, booting: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = os.sendfile

    def breaks(out: int, file: int, offset: int, count: int) -> int:
        if offset:
            raise OSError(errno.EIO, "Input/output error")
        return real(out, file, offset, 1000)

    monkeypatch.setattr(os, "sendfile", breaks)
    with pytest.raises(http.client.IncompleteRead):
        ask(port, f"/boot/initrd.zst?run={booting.pk}&boot=1")
    rungs.wait_until_recorded()
    assert "/boot/initrd.zst can't be read here (Input/output error)" in booting.events.get().text
    assert not [record for record in caplog.records if "went away" in record.message]


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_gave_the_next_file_is_not_blamed_for_a_boot_that_stopped_later(booting: Run) -> None:
    rungs.file_not_read(booting.pk, 1, "/boot/vmlinuz can't be read here")
    rungs.wait_until_recorded()
    assert ladder.stopped_at(booting).startswith("Our own fault")
    lifecycle.record_rung(booting, Rung.KERNEL, boot=1)
    assert ladder.stopped_at(booting).startswith("It has the kernel")


@pytest.mark.parametrize(
    ("query", "run", "boot"),
    [
        ("", 0, 0),
        ("?run=7&boot=2", 7, 2),
        ("?run=-1&boot=x", 0, 0),
        ("?run=99999999999999999999", 0, 0),
        ("?run=²", 0, 0),
    ],
)
def test_the_run_is_read_from_the_address(query: str, run: int, boot: int) -> None:
    try:
        request = bootrequest.parse(f"GET /boot/vmlinuz{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    except BadRequest:
        assert not query.isascii()
        return
    assert request == Request("GET", "/boot/vmlinuz", run, boot)


@pytest.mark.django_db(transaction=True)
def test_delivered_files_are_rungs_of_the_boot_that_is_expected(port: int) -> None:
    run = a_run(a_host(), state=State.BOOTING, verdict="", boot=2, started_at=timezone.now())
    ask(port, f"/boot/vmlinuz?run={run.pk}&boot=1")
    ask(port, "/boot/initrd.zst?run=987654&boot=2")
    ask(port, f"/boot/initrd.zst?run={run.pk}&boot=2", "HEAD")
    rungs.wait_until_recorded()
    assert not run.rungs.exists()
    ask(port, f"/boot/vmlinuz?run={run.pk}&boot=2")
    ask(port, f"/boot/initrd.zst?run={run.pk}&boot=2")
    ask(port, f"/boot/agent.cpio?run={run.pk}&boot=2")
    rungs.wait_until_recorded()
    assert [(row.rung, row.boot) for row in run.rungs.order_by("id")] == [(Rung.KERNEL, 2), (Rung.INITRD, 2)]


def test_slow_clients_cost_no_memory_and_are_cut_off_while_others_are_served(
    listener: Listener, port: int, settings: Any
) -> None:
    size = 200 * 1024 * 1024
    with (settings.IMAGE_DIR / "initrd.zst").open("wb") as file:
        file.truncate(size)
    ask(port, "/boot/vmlinuz")
    before = psutil.Process().memory_info().rss
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for client in slow:
        client.sendall(b"GET /boot/initrd.zst HTTP/1.1\r\n\r\n")
    began = time.monotonic()
    assert ask(port, "/boot/vmlinuz")[0] == 200
    assert time.monotonic() - began < 1.0
    assert psutil.Process().memory_info().rss - before < 5 * 1024 * 1024
    wait_until(lambda: not listener.clients)
    for client in slow:
        client.settimeout(10)
        assert _all_of(client) < size
        client.close()


def test_a_client_that_says_nothing_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootfiles, "HEADER_TIMEOUT_S", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        assert client.recv(1) == b""


def test_many_connections_of_one_address_close_the_port_to_no_other(
    listener: Listener, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    idle = [socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) for _ in range(256)]
    assert ask(port, "/boot/vmlinuz", "HEAD")[0] == 200
    assert listener.allowed.held["127.0.0.2"] <= bootfiles.MAX_CLIENTS_EACH
    told = [record.message for record in caplog.records if "127.0.0.2 has 32 connections" in record.message]
    assert len(told) == 1, "once, not for each"
    for client in idle:
        client.close()
    wait_until(lambda: not listener.allowed.all)


def test_a_port_that_is_taken_is_named(bench: Bench) -> None:
    with bootfiles.bind("127.0.0.1", 0) as taken, pytest.raises(OSError, match=f"port {taken.getsockname()[1]}"):
        bootfiles.bind("127.0.0.1", taken.getsockname()[1])
