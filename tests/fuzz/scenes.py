"""A run in each state in which an agent may call, with a good token, and what a good call has to say then."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from agent.contract import codec
from runs import lifecycle, stage_rows
from runs.machine import STAGE_STATES
from runs.models import Run
from tests import work
from tests.rows import a_host
from tests.talker import EXPECTED, UUID, Talker


@dataclass(frozen=True)
class Scene:
    """`likely` are the calls that this state waits for; `fixed` ones belong to the part that is in the suite."""

    name: str
    prepare: Callable[[Talker], None]
    likely: tuple[str, ...]
    fixed: bool = False


def _booted(talker: Talker) -> None:
    work.dispatch()
    talker.fetch_script()


def _claimed(talker: Talker) -> None:
    talker.boot_and_claim()


def _storage(talker: Talker) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("Storage")


def _burn(talker: Talker) -> None:
    talker.boot_and_claim()
    talker.pass_stages_until("Burn")


def _failed(talker: Talker) -> None:
    talker.boot_and_claim()
    talker.result("InventoryCheck", "failed", reason="no disk")


def _held(talker: Talker) -> None:
    _failed(talker)
    talker.hold()


def _cancelled(talker: Talker) -> None:
    talker.boot_and_claim()
    lifecycle.cancel(Run.objects.get(pk=talker.run_id))


WORKING = ("heartbeat", "log", "sensor", "result")
SCENES = (
    Scene("booted", _booted, ("hello", "claim"), fixed=True),
    Scene("first stage", _claimed, WORKING, fixed=True),
    Scene("Storage", _storage, WORKING),
    Scene("Burn", _burn, WORKING),
    Scene("failed", _failed, ("hold",), fixed=True),
    Scene("held", _held, ("hold", "heartbeat")),
    Scene("cancelled", _cancelled, ("heartbeat", "result")),
)


@contextmanager
def undone() -> Iterator[None]:
    """What happens to the database inside of it has not happened."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def without_files() -> None:
    """Numbers of runs come again after a rollback; their files must not."""
    shutil.rmtree(settings.RUNS_DIR, ignore_errors=True)


def talker_in(scene: Scene, number: int = 1) -> Talker:
    mac = f"52:54:00:00:{number // 256 % 256:02x}:{number % 256:02x}"
    host = a_host(f"node-{number}", mac=mac, expected=EXPECTED, destructive_allowed=True)
    lifecycle.start_run(host, profile_name="quick-write")
    talker = Talker(host, macs=[mac])
    scene.prepare(talker)
    return talker


def good_words(talker: Talker) -> dict[str, Any]:
    """The fields of a message by which it belongs to this run as it is now."""
    run = Run.objects.get(pk=talker.run_id)
    row = stage_rows.current(run) if run.state in STAGE_STATES else run.stage_runs.order_by("-id").first()
    return {
        "boot_id": talker.boot_id,
        "dmi_uuid": UUID,
        "macs": talker.macs,
        "contract": codec.fingerprint(),
        "stage": row.name if row else "SMART",
        "attempt": row.attempt if row else 1,
        "port": 22,
    }
