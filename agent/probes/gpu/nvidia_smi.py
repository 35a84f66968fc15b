"""NVIDIA GPUs as their driver sees them. The live image contains no NVIDIA driver; this is used where one is installed.

The elements are those of NVIDIA's nvsmi_device schema, versions 10 to 13. The versions name clocks, power and memory
errors differently, so no element is required. Exit statuses and warnings are those of nvidia-smi(1), "RETURN VALUE".
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from functools import cached_property

from agent.host import shell
from agent.parsing import ParseError, clean
from agent.probes.gpu import nvidia_condition, nvidia_memory, nvidia_words
from agent.probes.gpu.nvidia_memory import Memory

# Reasons of heat and power. Idling, and caps that somebody set, are ordinary.
SLOWDOWNS = ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
# The manual page: hw_slowdown alone "may be also reported during PState or clock change".
WEAK_SLOWDOWN = "hw_slowdown"
_ADDRESS = r"(?P<pci>[0-9A-Fa-f]{1,8}:[0-9A-Fa-f]{1,2}:[0-9A-Fa-f]{1,2}(?:\.[0-9A-Fa-f])?)"
_NO_HANDLE = re.compile(
    rf"Unable to determine the device handle for GPU ?(?:\d{{1,4}}: )?(?:{_ADDRESS})?:? ?(?P<words>.{{1,200}})",
    re.IGNORECASE,
)
_INFOROM = re.compile(rf"infoROM is corrupted at gpu {_ADDRESS}", re.IGNORECASE)
_UUID = re.compile(r"GPU-[0-9A-Za-z-]{1,60}")
# Headings of `nvidia-smi -q` and of the table that `nvidia-smi` prints.
_TEXT = re.compile(r"=NVSMI LOG=|\| NVIDIA-SMI \d")
_MOST_LINES, _MOST_GPUS = 200, 256


@dataclass(frozen=True)
class NvidiaGpu:
    """Numbers are None if the card does not support them (N/A), or if they were not read (`memory.trouble` and `errors`
    say so). `uncorrected_ecc` are the errors since a program last opened the card, or since the driver was loaded if
    one has held it open since then. `slowed_by` is why the hardware slows the clocks now. `recovery` is what the driver
    says must be done after a fault, '' if it says nothing. `busy_percent` is how long kernels ran in the last second or
    less. `max_link_gen` is the highest generation of PCIe for this card in this system."""

    uuid: str
    model: str
    pci: str
    temperature_c: int | None = None
    memory_mb: int | None = None
    uncorrected_ecc: int | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    power_w: float | None = None
    slowed_by: tuple[str, ...] = ()
    memory: Memory = field(default_factory=Memory)
    has_mig: bool = False
    recovery: str = ""
    errors: tuple[str, ...] = ()
    too_hot: str = ""
    fabric_fault: str = ""
    busy_percent: int | None = None
    max_link_gen: int | None = None

    @property
    def name(self) -> str:
        """The card's name in findings: its UUID, or its PCI address."""
        return self.uuid or self.pci


@dataclass(frozen=True)
class Silent:
    """A card that nvidia-smi could not ask (`is_gone`), or not completely. `pci` is '' if the message does not say
    which one."""

    pci: str
    words: str
    is_gone: bool = True


@dataclass(frozen=True)
class Answer:
    """The result of one call of nvidia-smi. `attached` is how many cards it reports."""

    cards: list[NvidiaGpu] = field(default_factory=list)
    silent: list[Silent] = field(default_factory=list)
    attached: int | None = None
    trouble: str = ""

    @cached_property
    def by_pci(self) -> dict[str, NvidiaGpu]:
        return {card.pci: card for card in self.cards}


def run(timeout_s: float = 60.0) -> shell.Completed:
    return shell.run(["nvidia-smi", "-q", "-x"], timeout_s)


def ask(timeout_s: float = 60.0) -> Answer:
    return of_completed(run(timeout_s))


def of_completed(done: shell.Completed) -> Answer:
    """A status other than 0 is trouble for all cards, unless the text beside the XML names the card."""
    beside = done.stderr[-20000:]
    try:
        answer = read(f"{done.stdout}\n{beside}" if beside else done.stdout)
    except ParseError as error:
        return Answer(silent=silent(done.stdout + "\n" + beside), trouble=done.trouble_or(error))
    explained = done.ended and any(one.pci for one in answer.silent)
    return (
        answer if explained or not done.trouble else Answer(answer.cards, answer.silent, answer.attached, done.trouble)
    )


def parse(text: str) -> list[NvidiaGpu]:
    """The cards. Raises ParseError for anything but nvidia-smi's XML."""
    return read(text).cards


def read(text: str) -> Answer:
    """Warnings may stand before and after the XML. Raises ParseError for anything but nvidia-smi's XML. A document type
    with entities is refused unread."""
    document, beside = _apart(text)
    if not text.strip():
        raise ParseError("nvidia-smi printed nothing")
    if "<!ENTITY" in document:
        raise ParseError("nvidia-smi printed XML with entities")
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise ParseError(_instead_of_xml(beside) or f"nvidia-smi printed broken XML: {error}") from None
    if root.tag != "nvidia_smi_log":
        raise ParseError(f"nvidia-smi printed {clean(root.tag)[:40]} instead of nvidia_smi_log")
    cards = [_gpu(element) for element in root.findall("gpu")[:_MOST_GPUS]]
    return Answer(cards, silent(beside), nvidia_words.number(root.find("attached_gpus"), "attached_gpus").number)


def _apart(text: str) -> tuple[str, str]:
    """The XML, and what was printed before and after it."""
    begins = [at for mark in ("<?xml", "<!DOCTYPE", "<nvidia_smi_log") if (at := text.find(mark)) >= 0]
    begin, mark = min(begins, default=0), "</nvidia_smi_log>"
    end = text.rfind(mark)
    if not begins or end < begin:
        return text, text[:20000] if not begins else ""
    end += len(mark)
    return text[begin:end], f"{text[:begin][-20000:]}\n{text[end:][:20000]}"


def _instead_of_xml(beside: str) -> str:
    """nvidia-smi's own message, if it printed no XML at all. Its text and its table are no message: somebody recorded
    them."""
    if _TEXT.search(beside):
        return "this is nvidia-smi's text, not its XML: record with nvidia-smi -q -x"
    line = next((words for row in beside.splitlines()[:_MOST_LINES] if (words := clean(row))), "")
    return f"nvidia-smi: {line[:200]}" if line and not line.startswith("<") else ""


def silent(beside: str) -> list[Silent]:
    """The cards that are named in the lines beside the XML, or instead of it."""
    found = []
    for line in beside.splitlines()[:_MOST_LINES]:
        words = clean(line)[:400]
        if match := _NO_HANDLE.search(words):
            found.append(Silent(pci_address(match["pci"] or ""), match["words"].strip()))
        elif match := _INFOROM.search(words):
            found.append(Silent(pci_address(match["pci"]), match[0], is_gone=False))
    return found


def _gpu(element: ElementTree.Element) -> NvidiaGpu:
    memory = nvidia_memory.read(element)
    uuid, pci = clean(element.findtext("uuid")), clean(element.get("id") or element.findtext("pci/pci_bus_id"))
    return NvidiaGpu(
        uuid=uuid if _UUID.fullmatch(uuid) else "",
        model=_value(element.findtext("product_name")),
        pci=pci_address(pci),
        temperature_c=_number(element, "temperature/gpu_temp"),
        memory_mb=_number(element, "fb_memory_usage/total"),
        uncorrected_ecc=memory.uncorrected,
        remap_pending=memory.remap_pending,
        remap_failed=memory.remap_failed,
        power_w=_power(element),
        slowed_by=_slowed_by(element),
        memory=memory,
        has_mig=clean(element.findtext("mig_mode/current_mig")).casefold() == "enabled",
        recovery=_recovery(element),
        errors=nvidia_words.errors(element),
        too_hot=nvidia_condition.heat(element),
        fabric_fault=nvidia_condition.fabric(element),
        busy_percent=_number(element, "utilization/gpu_util"),
        max_link_gen=_number(element, "pci/pci_gpu_link_info/pcie_gen/max_link_gen"),
    )


def _value(text: str | None) -> str:
    return "" if nvidia_words.is_absent(text) or nvidia_words.is_error(text) else clean(text)


def _number(element: ElementTree.Element, path: str) -> int | None:
    return nvidia_words.number(element.find(path), path).number


def _power(element: ElementTree.Element) -> float | None:
    paths = ("gpu_power_readings/instant_power_draw", "gpu_power_readings/power_draw", "power_readings/power_draw")
    for path in paths:
        if match := re.match(r"(\d{1,9}(?:\.\d{1,9})?) W", clean(element.findtext(path))):
            return float(match[1])
    return None


def _slowed_by(element: ElementTree.Element) -> tuple[str, ...]:
    reasons = [*element.findall("clocks_event_reasons/*"), *element.findall("clocks_throttle_reasons/*")]
    active = [reason.tag for reason in reasons if clean(reason.text) == "Active"]
    names = [re.sub(r"^clocks_(?:event|throttle)_reasons?_", "", tag) for tag in active]
    return tuple(name for name in names if name in SLOWDOWNS)


def _recovery(element: ElementTree.Element) -> str:
    """`gpu_recovery_action` of newer drivers. Older ones have two answers of yes or no."""
    action = nvidia_words.plain(element.findtext("gpu_recovery_action"))
    if action and not nvidia_words.is_absent(action) and not nvidia_words.is_moved(action):
        return action
    for name, word in (("reset_required", "Reset"), ("drain_and_reset_recommended", "Drain and Reset")):
        if nvidia_words.yes_or_no(element.find(f"gpu_reset_status/{name}"), name).flag:
            return word
    return ""


def pci_address(text: str) -> str:
    """`00000000:65:00.0` as sysfs writes it, 0000:65:00.0. A domain of more than four digits is kept (VMD, Azure)."""
    match = re.fullmatch(r"([0-9A-Fa-f]{1,8}):([0-9A-Fa-f]{1,2}):([0-9A-Fa-f]{1,2})(?:\.([0-9A-Fa-f]))?", text)
    if not match:
        return text.lower()
    domain, bus, slot = (int(match[n], 16) for n in (1, 2, 3))
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{(match[4] or '0').lower()}"
