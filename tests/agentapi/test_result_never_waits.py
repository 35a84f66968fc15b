"""An agent's `/result` waits for no message: it writes rows, and the worker sends."""

from __future__ import annotations

import socket
from typing import Any

from notifications import outbox
from notifications.models import Delivery
from runs.models import Job, Run
from tests.talker import Talker
from vetting import config


def test_a_result_makes_no_connection_to_a_receiver_that_hangs(talker: Talker, run: Run, settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as receiver:
        receiver.setblocking(False)
        hook = {
            "name": "hook", "kind": "webhook", "token_env": "KEY",
            "url": f"http://127.0.0.1:{receiver.getsockname()[1]}/",
        }  # fmt: skip
        settings.VETTING = config.parse({"notifications": {"targets": [hook], "routes": [{"to": ["hook"]}]}}, "test")
        settings.TARGET_SECRETS = {"KEY": "k" * 32}
        talker.boot_and_claim()
        talker.pass_stages_until("SMART")
        talker.result("SMART", "failed")
        assert run.events.filter(tells="StageFailed").exists()
        outbox.tick()
        assert Delivery.objects.filter(target="hook", attempted_at=None).exists()
        assert Job.objects.filter(call=outbox.DELIVER.call).exists(), "a process of the worker sends it"
        try:
            receiver.accept()
        except BlockingIOError:
            return
    raise AssertionError("somebody connected to the receiver")
