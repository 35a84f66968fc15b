"""The boots of a run, and which machine each boot's token is bound to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from agent.contract.placeholders import is_placeholder
from hosts.fields import UUID
from runs import tokens
from runs.models import Boot, Run

# The maker's half is empty: the rest may be a MAC or a count.
_NO_MAKER = re.compile(r"0{8}-.*|f{8}-f{4}-.*")


@dataclass(frozen=True)
class Machine:
    """The machine that calls: the kernel's boot id, the DMI UUID (lower case) and the MACs (lower case, sorted)."""

    boot_id: str
    dmi_uuid: str
    macs: tuple[str, ...]

    @classmethod
    def of(cls, boot_id: str, dmi_uuid: str, macs: list[str]) -> Machine:
        uuid = dmi_uuid.strip().lower()
        return cls(boot_id[:64], "" if is_dummy_uuid(uuid) else uuid, tuple(sorted(mac.lower() for mac in macs)))


def is_dummy_uuid(uuid: str) -> bool:
    """Missing, all zeros, all ones, or one that boards of several makers are shipped with."""
    return not UUID.fullmatch(uuid) or is_placeholder(uuid) or bool(_NO_MAKER.fullmatch(uuid))


def limit_s(run: Run) -> float:
    """How long a boot of this run may take, from waking to the claim: the host's own deadline, else everybody's."""
    return run.host.boot_deadline_s or settings.VETTING.deadlines.boot_s


def expect(run: Run) -> Boot:
    """The next boot of the run, with a token of its own."""
    number, nonce = run.boot + 1, tokens.new_nonce()
    token = tokens.make(run.pk, run.host_id, number, nonce)
    boot = Boot.objects.create(run=run, number=number, nonce=nonce, agent_token_hash=tokens.hashed(token))
    run.boot = number
    run.save(update_fields=["boot"])
    return boot


def token_of(boot: Boot) -> str:
    return tokens.make(boot.run_id, boot.run.host_id, boot.number, boot.nonce)


def unclaimed(run: Run) -> Boot | None:
    """The newest boot if nobody has claimed it yet."""
    boot = run.boots.order_by("-number").first()
    return boot if boot and boot.claimed_at is None and boot.dead_at is None else None


def last_claimed(run: Run) -> Boot | None:
    return run.boots.exclude(claimed_at=None).order_by("-number").first()


def bind(boot: Boot, machine: Machine) -> None:
    """This machine has claimed this boot. Older tokens of the run are refused from now on."""
    now = timezone.now()
    boot.claimed_at, boot.boot_id = now, machine.boot_id
    boot.dmi_uuid, boot.macs = machine.dmi_uuid, list(machine.macs)
    boot.save(update_fields=["claimed_at", "boot_id", "dmi_uuid", "macs"])
    Boot.objects.filter(run=boot.run, number__lt=boot.number, dead_at=None).update(dead_at=now)


def other_machine(boot: Boot, machine: Machine) -> str:
    """Why `machine` is not the one that `boot` is bound to; empty if it is. Compares the DMI UUIDs; if neither has a
    usable one, the MACs."""
    if boot.dmi_uuid or machine.dmi_uuid:
        if boot.dmi_uuid != machine.dmi_uuid:
            return f"bound to DMI UUID {boot.dmi_uuid or 'none'}, called from {machine.dmi_uuid or 'none'}"
    elif set(boot.macs) != set(machine.macs):
        return f"bound to MACs {', '.join(boot.macs)}, called from {', '.join(machine.macs)}"
    return ""
