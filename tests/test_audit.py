"""The audit of the locked packages says "no known vulnerability" only where a database answered about each of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts import audit

SOUND = {"name": "daphne", "version": "4.2.3", "vulns": []}
SKIPPED = {"name": "bcrypt", "skip_reason": "Dependency not found on PyPI and could not be audited: bcrypt (5.0.0)"}
ADVISORY = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["4.2.4"], "description": "long"}
HIT = {"name": "daphne", "version": "4.2.3", "vulns": [ADVISORY]}


def test_a_skipped_package_is_not_audited() -> None:
    answer = audit.read({"dependencies": [SOUND, SKIPPED, SKIPPED]})
    assert answer.problem.startswith("skipped bcrypt (Dependency not found on PyPI")
    assert answer.problem.endswith("and 1 more")


def test_no_package_at_all_is_not_audited() -> None:
    assert audit.read({"dependencies": []}).problem


def test_a_vulnerability_is_told_with_what_mends_it() -> None:
    assert audit.read({"dependencies": [HIT]}).known == ["daphne 4.2.3: PYSEC-1, CVE-2026-1; fixed in 4.2.4"]


@pytest.mark.parametrize(
    ("proof", "locks", "status", "said"),
    [
        ([HIT], [SOUND], 0, "no known vulnerability in 1 locked packages"),
        ([HIT], [HIT, SKIPPED], 1, "PYSEC-1"),
        ([HIT], [SOUND, SKIPPED], 3, "not audited"),
        ([SKIPPED], [SOUND], 3, "not audited"),
        ([SOUND], [SOUND], 3, "not audited"),
    ],
)
def test_the_exit_status_is_what_was_positively_said(
    proof: list[Any],
    locks: list[Any],
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ask(files: list[Path], options: list[str]) -> audit.Answer:
        return audit.read({"dependencies": proof if "--no-deps" in options else locks})

    monkeypatch.setattr(audit, "ask", ask)
    assert audit.main(["--service", "osv"]) == status
    out = capsys.readouterr().out
    assert said in out
    assert ("no known" in out) is (status == 0)


def test_what_was_accepted_is_left_out_of_the_locks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(files: list[Path], options: list[str]) -> audit.Answer:
        asked.append(list(options))
        return audit.read({"dependencies": [HIT if "--no-deps" in options else SOUND]})

    monkeypatch.setattr(audit, "ask", ask)
    assert audit.main(["--accept", "PYSEC-1"]) == 0
    assert ["PYSEC-1" in options for options in asked] == [False, True]


def test_the_next_database_is_asked_where_one_knows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(files: list[Path], options: list[str]) -> audit.Answer:
        about_bad = "--no-deps" in options and "osv" in options
        return audit.read({"dependencies": [HIT if about_bad else SOUND]})

    monkeypatch.setattr(audit, "ask", ask)
    assert audit.main([]) == 0
    assert "says osv" in capsys.readouterr().out


@contextmanager
def database(answer: Callable[[str, str], list[Any]]) -> Iterator[str]:
    class Osv(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"vulns": answer(asked["package"]["name"], asked["version"])}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()


def advisory(name: str) -> dict[str, Any]:
    fixed = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9"}]}]
    package = {"name": name, "ecosystem": "PyPI"}
    affected = [{"package": package, "ranges": fixed}]
    return {"id": "PYSEC-1", "summary": "bad", "published": "2026-01-01T00:00:00Z", "affected": affected}


def test_a_real_run_against_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"daphne==4.2.3 \\\n    --hash=sha256:{'1' * 64}\n")

    def ask(url: str) -> int:
        return audit.main(["--service", "osv", "--osv-url", url, str(lock)])

    with database(lambda name, _: [advisory(name)]) as url:
        assert ask(url) == 1
        assert "daphne 4.2.3: PYSEC-1; fixed in 9.9" in capsys.readouterr().out
    assert ask(url) == 3  # nobody listens there any more
    assert "not audited" in capsys.readouterr().out
