"""A NetBox on loopback that knows as much of its REST API as we use, in the form of its OpenAPI document. All data are
made up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "nbt_0123456789ab.made-up"
Row = dict[str, Any]


@dataclass
class NetBox:
    """`rows` are the objects of each list. `answers` replace those of a call: (status, headers, body)."""

    port: int = 0
    rows: dict[str, list[Row]] = field(default_factory=dict)
    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    most: int = 1000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def written(self) -> list[tuple[str, str, Any]]:
        return [call for call in self.calls if call[0] != "GET"]


def device(number: int, name: str | None, **fields: Any) -> Row:
    return {
        "id": number, "url": f"http://netbox/api/dcim/devices/{number}/", "display": name, "name": name,
        "serial": "", "asset_tag": None, "tags": [], "custom_fields": {}, "role": {"id": 1, "slug": "hypervisor"},
        "site": {"id": 1, "slug": "ams1"}, "status": {"value": "active", "label": "Active"},
    } | fields  # fmt: skip


def interface(of: int, mac: str | None, kind: str = "10gbase-x-sfpp", **fields: Any) -> Row:
    """As from NetBox 4.2 on."""
    primary = {"id": 7, "display": mac, "mac_address": mac} if mac else None
    return {
        "device": {"id": of}, "name": "eno1", "type": {"value": kind, "label": kind}, "mgmt_only": False,
        "mac_address": mac, "primary_mac_address": primary,
    } | fields  # fmt: skip


def item(number: int, of: int, name: str, role: str = "", serial: str = "", part: str = "") -> Row:
    of_role = {"id": 3, "slug": role, "name": role} if role else None
    return {
        "id": number, "device": {"id": of}, "name": name, "role": of_role, "serial": serial, "part_id": part,
        "manufacturer": None, "asset_tag": None, "discovered": False,
    }  # fmt: skip


def module(number: int, of: int, bay: str, serial: str, model: str) -> Row:
    return {
        "id": number, "device": {"id": of}, "module_bay": {"id": 9, "name": bay}, "serial": serial,
        "module_type": {"id": 4, "model": model}, "status": {"value": "active", "label": "Active"},
    }  # fmt: skip


@contextmanager
def netbox() -> Iterator[NetBox]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def _body(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        do_POST = do_PATCH = _body

        def _answer(self, body: Any) -> None:
            where = urlsplit(self.path)
            path, asked = where.path.removeprefix("/api/").strip("/"), parse_qs(where.query)
            told.calls.append((self.command, path, asked if body is None else body))
            if planned := told.answers.get(path):
                return self._send(*(planned.pop(0) if len(planned) > 1 else planned[0]))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._json(403, {"detail": "Invalid token"})
            if body is not None:
                return self._json(201 if self.command == "POST" else 200, self._changed(path, body))
            return self._json(200, self._page(path, asked))

        def _page(self, path: str, asked: dict[str, list[str]]) -> Row:
            rows = told.rows.get(path, [])
            if wanted := asked.get("device_id"):
                rows = [row for row in rows if str(row["device"]["id"]) in wanted]
            if begins := asked.get("name__isw"):
                rows = [row for row in rows if str(row["name"]).lower().startswith(begins[0].lower())]
            if about := asked.get("assigned_object_id"):
                rows = [row for row in rows if str(row["assigned_object_id"]) == about[0]]
            begin, count = int(asked.get("offset", ["0"])[0]), min(int(asked["limit"][0]), told.most)
            more = f"http://elsewhere.invalid/api/{path}/?offset={begin + count}" if begin + count < len(rows) else None
            return {"count": len(rows), "next": more, "previous": None, "results": rows[begin : begin + count]}

        def _changed(self, path: str, body: Row) -> Row:
            of, _, number = path.rpartition("/")
            if self.command == "POST":
                told.rows.setdefault(path, []).append(body)
                return body
            [row] = [row for row in told.rows[of] if row["id"] == int(number)]
            custom = {**row.get("custom_fields", {}), **body.get("custom_fields", {})}
            row |= body | ({"custom_fields": custom} if custom else {})
            return row

        def _json(self, status: int, said: Any) -> None:
            self._send(status, {"Content-Type": "application/json"}, json.dumps(said).encode())

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told = NetBox(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()
