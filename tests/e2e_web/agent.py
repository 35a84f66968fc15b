"""The agent's side over real HTTP: the boot script is fetched, the token taken from it, every call is a request."""

from __future__ import annotations

import json
import re
from typing import Any

import requests

from agent.contract import codec, wire
from tests.talker import Talker

# Far above any answer: a call that waited for a dead target (10 s each) would not be saved by it either.
CALL_TIMEOUT_S = 60


class HttpTalker(Talker):
    """A booted machine that knows the orchestrator's address and its own MAC, and nothing of the database."""

    def __init__(self, url: str, mac: str, uuid: str) -> None:
        self.url, self.uuid, self.macs, self.boot_id = url, uuid, [mac], "boot-1"
        self.run_id, self.token, self.seq = 0, "", 0
        self.watchdog = None
        self.session = requests.Session()

    def take_token(self) -> bool:
        """Fetch the boot script; False while it has no token, as before a slot is free."""
        script = self.session.get(f"{self.url}/ipxe/{self.macs[0]}", timeout=CALL_TIMEOUT_S).text
        given = re.search(r"vetting\.run=(\d+) vetting\.token=(vt1\.\S+)", script)
        if given:
            self.run_id, self.token = int(given[1]), given[2]
        return given is not None

    def post(self, call: str, message: object, kind: type | None = None, *, status: int = 200) -> Any:
        answer = self.session.post(
            f"{self.url}/api/v1/runs/{self.run_id}/{call}",
            codec.dumps(message),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            timeout=CALL_TIMEOUT_S,
        )
        assert answer.status_code == status, (call, answer.status_code, answer.text)
        return codec.loads(kind, answer.content) if kind and status == 200 else json.loads(answer.content)

    def pass_stages_until(self, last: str) -> wire.ResultAnswer:
        """Answer every stage that comes with `passed`, up to but without `last`."""
        answer = self.result("InventoryCheck")
        while answer.next_state != last:
            assert answer.next_state not in ("Completed", "Failed"), answer
            answer = self.result(answer.next_state)
        return answer
