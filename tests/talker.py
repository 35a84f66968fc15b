"""The agent's side of the HTTP conversation, spoken by a test: real messages, the real codec, the real views."""

from __future__ import annotations

import json
import time
from typing import Any

from django.test import Client

from agent.contract import codec, wire
from hosts.models import Host
from runs import boot_script
from runs.judging import required_checks
from runs.models import Run
from tests import work

UUID = "4c4c4544-0042-3510-8051-b4c04f4e3732"
MAC = "52:54:00:00:00:01"
SERIAL = "SATA-0001"

INVENTORY = wire.Inventory(
    system=wire.System(manufacturer="ACME", product="R1", serial="S-1", uuid=UUID),
    cpu=wire.Cpu(sockets=1, cores=2, threads=2, model="Virtual"),
    memory=wire.Memory(total_mb=2900, installed_mb=3072, dimms=[wire.Dimm("DIMM_A1", 3072, "D-0001")]),
    disks=[wire.Disk("sda", SERIAL, "", "sata", 256)],
    nics=[wire.Nic("eth0", MAC, speed_mbit=1000, link=True)],
)
EXPECTED: dict[str, Any] = {
    "memory": {"dimms": [{"locator": "DIMM_A1", "size_mb": 3072, "serial": "D-0001"}]},
    "disks": [{"serial": SERIAL, "bus": "sata", "size_mb": 256}],
    "nics": [{"mac": MAC, "speed_mbit": 1000}],
    "not_expected": ["ecc", "bmc", "thermal", "gpu"],
}


class Talker:
    """One booted machine. Each call asserts the status that is expected of it and returns the decoded answer."""

    def __init__(self, host: Host, *, boot_id: str = "boot-1", uuid: str = UUID, macs: list[str] | None = None) -> None:
        self.host, self.boot_id, self.uuid, self.macs = host, boot_id, uuid, macs or [MAC]
        self.client = Client()
        self.run_id = 0
        self.token = ""
        self.watchdog: wire.BmcWatchdog | None = None
        self.seq = 0

    def fetch_script(self) -> boot_script.ScriptAnswer:
        answer = boot_script.script_fetched(self.host, "10.77.0.23")
        if answer.run is not None:
            self.run_id, self.token = answer.run.pk, answer.token
        return answer

    def post(self, call: str, message: object, kind: type | None = None, *, status: int = 200) -> Any:
        body = message if isinstance(message, bytes) else codec.dumps(message)
        response = self.client.post(
            f"/api/v1/runs/{self.run_id}/{call}",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert response.status_code == status, (call, response.status_code, response.content)
        return codec.loads(kind, response.content) if kind and status == 200 else json.loads(response.content)

    def hello(self, *, contract: str = "", status: int = 200) -> wire.HelloAnswer:
        message = wire.Hello(self.boot_id, "10.77.0.23", self.macs, self.uuid, contract or codec.fingerprint())
        return self.post("hello", message, wire.HelloAnswer, status=status)

    def claim(self, *, status: int = 200) -> wire.ClaimAnswer:
        message = wire.Claim(self.boot_id, self.uuid, self.macs, self.watchdog)
        return self.post("claim", message, wire.ClaimAnswer, status=status)

    def heartbeat(
        self,
        stage: str = "",
        attempt: int = 1,
        progress: list[wire.Progress] | None = None,
        *,
        status: int = 200,
    ) -> wire.HeartbeatAnswer:
        message = wire.Heartbeat(self.boot_id, stage, attempt, 60.0, progress or [])
        return self.post("heartbeat", message, wire.HeartbeatAnswer, status=status)

    def log(self, *texts: str, seq: int = 0, status: int = 200) -> wire.Accepted:
        self.seq = seq or self.seq + 1
        lines = [wire.LogLine(time.time(), "info", "SMART", text) for text in texts]
        return self.post("log", wire.LogBatch(self.boot_id, self.seq, lines), wire.Accepted, status=status)

    def result(
        self, stage: str, outcome: str = "passed", *, attempt: int = 1, status: int = 200, **more: Any
    ) -> wire.ResultAnswer:
        if stage == "InventoryCheck":
            more.setdefault("inventory", INVENTORY)
        fields = {"reason": "", "started": time.time() - 1, "ended": time.time()} | more
        message = wire.Result(self.boot_id, stage, attempt, wire.Outcome(outcome), **fields)
        return self.post("result", message, wire.ResultAnswer, status=status)

    def hold(self, *, users: list[str] | None = None, status: int = 200) -> wire.HoldAnswer:
        message = wire.Hold(self.boot_id, "10.77.0.23", 22, "ssh-ed25519 AAAA host", users or [])
        return self.post("hold", message, wire.HoldAnswer, status=status)

    def boot_and_claim(self) -> wire.ClaimAnswer:
        """As far as the first stage."""
        work.dispatch()
        assert self.fetch_script().kind == "boot"
        self.hello()
        return self.claim()

    def pass_stages_until(self, last: str) -> wire.ResultAnswer:
        """Answer every stage that comes with `passed` and what is demanded of it, up to but without `last`."""
        run = Run.objects.get(pk=self.run_id)
        while True:
            run.refresh_from_db()
            if run.state == last:
                return wire.ResultAnswer(run.state, 1, True)
            work.dispatch()
            attempt = run.stage_runs.filter(name=run.state, outcome="").get().attempt
            wanted = required_checks.of_stage(run.state, run.profile, run.expected)
            checks = [wire.Check(demand.name, wire.Outcome.PASSED) for demand in wanted]
            answer = self.result(run.state, attempt=attempt, checks=checks)
            if answer.next_state == last:
                return answer
            assert answer.next_state not in ("Completed", "Failed"), answer
