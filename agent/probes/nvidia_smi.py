"""NVIDIA GPUs as their driver sees them. The live image carries no NVIDIA driver: this speaks where one is present.

The elements are those of NVIDIA's nvsmi_device schema, versions 11 and 12; they differ in names of clocks and power,
which is why nothing here is required but the UUID."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from agent import shell
from agent.probes.parsing import ParseError, clean


@dataclass(frozen=True)
class NvidiaGpu:
    """Numbers are None where the card does not support them (N/A)."""

    uuid: str
    model: str
    pci: str
    temperature_c: int | None
    memory_mb: int | None
    uncorrected_ecc: int | None
    remap_pending: bool | None


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
    pending = clean(element.findtext("remapped_rows/remapped_row_pending"))
    return NvidiaGpu(
        uuid=clean(element.findtext("uuid")),
        model=clean(element.findtext("product_name")),
        pci=pci_address(clean(element.get("id"))),
        temperature_c=_number(element.findtext("temperature/gpu_temp")),
        memory_mb=_number(element.findtext("fb_memory_usage/total")),
        uncorrected_ecc=_uncorrected(element),
        remap_pending={"Yes": True, "No": False}.get(pending),
    )


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
    match = re.match(r"\d+", clean(text))
    return int(match[0]) if match else None
