"""For a boot that stopped: the last step that it reached, the usual causes, and what to check.

The steps ("rungs"): wake sent → DHCP answered → iPXE over TFTP → boot script → kernel → initrd → hello → claimed.
Machines whose firmware has iPXE built in, or boots over HTTP, skip TFTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from runs.bench import newcomers
from runs.models import LadderRung, Run, RunEvent, Rung
from runs.wording import remedies

ORDER: tuple[Rung, ...] = tuple(Rung)
_MOST_NOTICED = 10
# The history's lines for what this bench could not deliver: a boot file that could not be read, a boot script while
# dnsmasq's list did not have the machine's lease, an image, an address.
FILE_NOT_READ, LEASE_UNKNOWN, IMAGE_MISSING = "boot_file_not_read", "lease_unknown", "image_missing"
NO_ADDRESS_GIVEN = "no_address_given"
# Those for what a boot met on the network: another DHCP server's answer, a firmware that there is no loader for, a
# script asked for from another address than the one leased, a machine that is no host.
OTHER_SERVER, NO_LOADER, SCRIPT_REFUSED = "other_dhcp_server", "no_loader", "script_refused"
ASKED_IN_VAIN = "asked_in_vain"


@dataclass(frozen=True)
class Advice:
    """`stopped` says what did not happen; `causes` are the usual ones, likeliest first; `checks` what to look at.
    `noticed` is what this boot met, one sentence each."""

    stopped: str
    causes: tuple[str, ...]
    checks: tuple[str, ...]
    noticed: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        return f"{self.stopped}. {self.hint}".strip()

    @property
    def hint(self) -> str:
        seen = f"{_SEEN}{'; '.join(self.noticed)}. " if self.noticed else ""
        if not self.causes:
            return seen.strip()
        return f"{seen}{_USUAL}{'; '.join(self.causes)}. Check: {'; '.join(self.checks)}."


_SEEN, _USUAL = "Seen meanwhile: ", "Usual causes: "


def without_hint(text: str) -> str:
    """A reason without what the page shows beside the boot."""
    ends = [at for mark in (_SEEN, _USUAL) if (at := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text


ADVICE: dict[Rung | None, Advice] = {
    None: Advice(
        "Nothing was sent and nothing was seen of the machine",
        ("the way to wake it failed", "the worker does not run", "a person was to press the button and nobody did"),
        ("the run's history for a wake problem", "the worker's log", "the power button"),
    ),
    Rung.WAKE_SENT: Advice(
        "It was woken, but asked for no address (stopped after: wake sent)",
        (
            "Wake-on-LAN is off in the firmware, or deep sleep (ErP) is on",
            "it lost mains power since it last ran, as after a PSU swap: many boards then do not wake",
            "it is still in its self test: a server with much memory may train it for a quarter of an hour",
            "it is on, but does not boot from the network first",
            "the MAC address is another one (new NIC or board)",
            "the network cable or VLAN is another one",
            "its switch port forwards only as part of a bond (LACP without fallback)",
        ),
        (
            "press the power button: the run goes on by itself",
            "the boot deadline on the host's form, if its self test takes long",
            "the machine's screen for its boot order",
            "the host's MAC addresses",
            "the link light, and the switch port's VLAN",
        ),
    ),
    Rung.DHCP: Advice(
        "It was offered an address, but fetched nothing (stopped after: DHCP answered)",
        (
            "another DHCP server on this network answered first",
            "a firewall drops UDP port 69 on the orchestrator",
            "iPXE's binaries are missing in the image directory",
            "its firmware boots over HTTP, and Secure Boot refuses iPXE",
        ),
        (
            "for another DHCP server (then use pxe.mode: proxy)",
            "the firewall for UDP 69",
            f"that the image's directory has ipxe/; {remedies.build_image()} builds the image",
            "that Secure Boot is off",
        ),
    ),
    Rung.TFTP: Advice(
        "iPXE was loaded, but has no boot script (stopped after: TFTP)",
        (
            "Secure Boot is on: the firmware fetches iPXE, refuses it, and goes on with its next boot entry",
            "iPXE's driver hangs on this NIC",
            "a firewall drops the web port on the orchestrator",
            "the switch port takes long to forward (spanning tree without portfast)",
        ),
        (
            "that Secure Boot is off in the firmware",
            "the machine's screen",
            "the other boot program on the host's form (ipxe.efi instead of snponly.efi, or the reverse)",
            "the firewall for web.port, and portfast on the switch port",
        ),
    ),
    Rung.SCRIPT: Advice(
        "It has its boot script, but the kernel was not delivered (stopped after: boot script)",
        (
            "a firewall drops the boot port (web.boot_port)",
            "the live image is not built, or another directory is configured",
            "web.address is not reachable from the machine",
        ),
        (
            "the firewall for web.boot_port",
            f"that the live image is built: {remedies.build_image()}",
            "web.address",
            "the machine's screen for iPXE's message",
        ),
    ),
    Rung.KERNEL: Advice(
        "It has the kernel, but the initrd was not delivered (stopped after: kernel)",
        (
            "the link is slow or loses packets",
            "the machine has less memory than the image needs (2 GiB)",
            "it lost power",
        ),
        ("the cable and the negotiated speed at the switch", "that its memory is seen by the firmware", "its screen"),
    ),
    Rung.INITRD: Advice(
        "Kernel and initrd were delivered, but the agent did not report (stopped after: initrd)",
        (
            "Linux stops early on this machine: bad memory or CPU, or too little memory (2 GiB)",
            "the NIC's driver or firmware is not in the image",
            "a firewall drops the web port, or web.address is wrong",
        ),
        ("the machine's screen or serial console for a kernel panic", "with another NIC", "web.address and web.port"),
    ),
    Rung.HELLO: Advice(
        "The agent reported, but did not claim the run (stopped after: hello)",
        ("its token was refused: another machine with this MAC, or a changed board", "the agent stopped"),
        ("the run's history for a refused token", "the run's log", "that the host's recorded UUID is this machine's"),
    ),
    Rung.CLAIMED: Advice("It booted and claimed the run", ("none: the boot was complete",), ("the stages",)),
}


def last(reached: Iterable[str]) -> Rung | None:
    """The highest of these rungs, by the order of the ladder and not by time; None if there is none."""
    return max((Rung(rung) for rung in reached), key=ORDER.index, default=None)


def advice(reached: Iterable[str]) -> Advice:
    """The advice for a boot that reached these rungs and no more."""
    return ADVICE[last(reached)]


def stopped_at(run: Run) -> str:
    """A paragraph that says where the newest boot of this run stopped, and first what this bench could not deliver."""
    rungs = dict(LadderRung.objects.filter(run=run, boot=max(run.boot, 1)).values_list("rung", "at"))
    return told(run, rungs).sentence


def told(run: Run, rungs: Mapping[str, datetime]) -> Advice:
    """The advice for a boot of this run that reached these rungs at these times: with what this bench could not
    deliver, and with what the boot met on the network."""
    usual = replace(advice(rungs), noticed=noticed(run))
    failed = _not_delivered(run, max(rungs.values(), default=None))
    if failed is None:
        return usual
    ours = f"Our own fault: {failed.text}"
    if failed.kind == NO_ADDRESS_GIVEN:  # the usual causes are those of a machine that never asked
        return Advice(f"{ours}. The machine asked for an address, and got none", (), ())
    return replace(usual, stopped=f"{ours}. {usual.stopped}")


def noticed(run: Run) -> tuple[str, ...]:
    """What was seen on the network since the run began: an answer by another DHCP server, a firmware without a loader,
    machines that asked and are not registered."""
    kinds = OTHER_SERVER, NO_LOADER, SCRIPT_REFUSED
    said = run.events.filter(kind__in=kinds).order_by("id").values_list("text", flat=True)
    others = [one.words for one in newcomers.since(run.started_at)] if run.started_at else []
    return tuple(dict.fromkeys([*said, *others]))[:_MOST_NOTICED]


def _not_delivered(run: Run, last_rung_at: datetime | None) -> RunEvent | None:
    """What this bench could not deliver, if the boot has got no further since then."""
    kinds = FILE_NOT_READ, LEASE_UNKNOWN, IMAGE_MISSING, NO_ADDRESS_GIVEN
    failed = run.events.filter(kind__in=kinds).order_by("-id").first()
    return None if failed is None or (last_rung_at is not None and failed.at < last_rung_at) else failed
