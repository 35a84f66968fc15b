"""NVIDIA GPUs as their driver sees them. The live image carries no NVIDIA driver: this speaks where one is present.

The elements are those of NVIDIA's nvsmi_device schema, versions 11 to 13; they differ in names of clocks and power,
which is why nothing here is required but the UUID."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from agent import shell
from agent.probes.parsing import ParseError, clean

SLOWDOWNS = ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")


@dataclass(frozen=True)
class NvidiaGpu:
    """Numbers are None where the card does not support them (N/A). Errors are those since the driver was loaded;
    `slowed_by` what the hardware slows the clocks for at this moment."""

    uuid: str
    model: str
    pci: str
    temperature_c: int | None
    memory_mb: int | None
    uncorrected_ecc: int | None
    remap_pending: bool | None
    remap_failed: bool | None = None
    power_w: float | None = None
    slowed_by: tuple[str, ...] = ()


def run(timeout_s: float = 60.0) -> shell.Completed:
    return shell.run(["nvidia-smi", "-q", "-x"], timeout_s)


def parse(text: str) -> list[NvidiaGpu]:
    """Raises ParseError for anything but nvidia-smi's XML. A document type with entities is refused unread."""
    if "<!ENTITY" in text:
        raise ParseError("nvidia-smi printed XML with entities")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ParseError(f"nvidia-smi printed broken XML: {error}") from None
    if root.tag != "nvidia_smi_log":
        raise ParseError(f"nvidia-smi printed {clean(root.tag)[:40]} instead of nvidia_smi_log")
    return [_gpu(element) for element in root.findall("gpu")]


def _gpu(element: ElementTree.Element) -> NvidiaGpu:
    return NvidiaGpu(
        uuid=clean(element.findtext("uuid")),
        model=clean(element.findtext("product_name")),
        pci=pci_address(clean(element.get("id"))),
        temperature_c=_number(element.findtext("temperature/gpu_temp")),
        memory_mb=_number(element.findtext("fb_memory_usage/total")),
        uncorrected_ecc=_uncorrected(element),
        remap_pending=_yes(element, "remapped_rows/remapped_row_pending", "retired_pages/pending_retirement"),
        remap_failed=_yes(element, "remapped_rows/remapped_row_failure"),
        power_w=_power(element),
        slowed_by=_slowed_by(element),
    )


def _yes(element: ElementTree.Element, *paths: str) -> bool | None:
    """None where none of them says Yes or No. Before Ampere whole pages are retired instead of rows remapped."""
    said = [{"Yes": True, "No": False}.get(clean(element.findtext(path))) for path in paths]
    known = [one for one in said if one is not None]
    return any(known) if known else None


def _power(element: ElementTree.Element) -> float | None:
    paths = ("gpu_power_readings/instant_power_draw", "gpu_power_readings/power_draw", "power_readings/power_draw")
    for path in paths:
        if match := re.match(r"(\d{1,9}(?:\.\d{1,9})?) W", clean(element.findtext(path))):
            return float(match[1])
    return None


def _slowed_by(element: ElementTree.Element) -> tuple[str, ...]:
    """Of the reasons only those that mean heat or power: idling and caps that somebody set are ordinary."""
    reasons = [*element.findall("clocks_event_reasons/*"), *element.findall("clocks_throttle_reasons/*")]
    active = [reason.tag for reason in reasons if clean(reason.text) == "Active"]
    names = [re.sub(r"^clocks_(?:event|throttle)_reasons?_", "", tag) for tag in active]
    return tuple(name for name in names if name in SLOWDOWNS)


def pci_address(text: str) -> str:
    """`00000000:65:00.0` as sysfs spells it, 0000:65:00.0."""
    match = re.fullmatch(r"([0-9A-Fa-f]{4,8}):(.+)", text)
    return f"{match[1][-4:]}:{match[2]}".lower() if match else text.lower()


def _uncorrected(element: ElementTree.Element) -> int | None:
    """Schema 12 has sram and dram, 11 a double bit total."""
    names = ("sram_uncorrectable", "sram_uncorrectable_parity", "sram_uncorrectable_secded", "dram_uncorrectable")
    texts = [element.findtext(f"ecc_errors/volatile/{name}") for name in names]
    texts.append(element.findtext("ecc_errors/volatile/double_bit/total"))
    known = [value for text in texts if (value := _number(text)) is not None]
    return sum(known) if known else None


def _number(text: str | None) -> int | None:
    match = re.match(r"\d{1,18}", clean(text))
    return int(match[0]) if match else None
