"""One report of a hardware error in the kernel's log, read line by line: its sections, and what each says about which
part."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.contract.wire import Severity
from agent.counters.kernel.kmsg_record import Hit, Record
from agent.counters.kernel.pcie_requests import is_refusal

_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING
# IA32_MCi_STATUS, Intel SDM volume 3B, 16.3.2.2 and 16.9.2: uncorrected; compound codes 000F_0000_1MMM_CCCC and
# 000F_0010_1MMM_CCCC are the memory's.
UNCORRECTED_BIT = 1 << 61
# Only the processors of AMD and Hygon have this bit (APM volume 2, 9.3.2.1: data is lost, and nobody has used it yet).
# mce writes their vendors as 2 and 9.
DEFERRED_BIT, _OF_AMD = 1 << 44, re.compile(r"PROCESSOR [29]:")
# The same: the data that was read came as bad, from memory or a card.
POISON_BIT = 1 << 43
MEMORY_MASK, MEMORY_CODES = 0xEF80, (0x0080, 0x0280)
# The same, 16.9.3.2: a core read data, or an instruction, that was known to be bad (UC, S and AR, without PCC). The
# core that reads it is not to blame: memory, or what wrote it there, is.
_PCC, _S, _AR = 1 << 57, 1 << 56, 1 << 55
_POISON, _POISON_CODES = UNCORRECTED_BIT | _S | _AR, (0x0134, 0x0150)
# Before 5.10 the kernel logged a hot CPU as an error of this bank, which no CPU has. Its status is IA32_THERM_STATUS.
# [MCE_THERMAL_BANK, arch/x86/kernel/cpu/mce/therm_throt.c]
THERMAL_BANK = 128
# MCA_IPID, AMD's processor programming references: the kind of bank in bits 43 to 32, 0x96 is a memory controller.
MEMORY_BANK = 0x96
QUOTED_CHARS = 300

_BEGINNING = re.compile(r"Hardware error (?:from APEI|detected on CPU)")
_HEAD = re.compile(r"It has been corrected by h/w|(?:event |^)severity: ")
_SECTION = re.compile(r"^\s*(?:Error \d+, type: (?P<type>\w+)|section: \d+, severity: \d+, (?P<old>\w+))")
_EVENT = re.compile(r"(?:event severity: |^\s*severity: \d+, )(?P<word>\w+)")
_BANK = re.compile(
    r"CPU (?P<cpu>\d+): Machine Check(?P<exception> Exception)?: [0-9a-f]+ Bank (?P<bank>\d+): "
    r"(?P<status>[0-9a-f]{1,16})\b",
    re.IGNORECASE,
)
_DECODED = re.compile(
    r"(?:(?P<mild>Corrected error, no action)|Deferred error, no action|Uncorrected, software|System Fatal error)", re.I
)
# Of `CPU:2 (19:21:0) MC0_STATUS[Over|CE|…]: 0x…`. An error that the firmware reported has the bank 255.
_FLAG = re.compile(
    r"\bMC\d+_STATUS\[[^|\]]{0,8}\|(?P<flag>UE|CE)\|(?:[^\]]{0,80}\]: 0x(?P<status>[0-9a-f]{1,16})\b)?", re.IGNORECASE
)
_WORDS = {"recoverable": _CRITICAL, "fatal": _CRITICAL, "corrected": _WARNING, "info": _WARNING}
# UEFI specification 2.10, appendix N.2.2: platform memory 2, and the CXL events of media and DRAM.
_MEMORY_GUIDS = ("61ec04fc-48e6-d813", "fbcd0a77-c260-417f", "601dcbb3-9c06-4eab")
_KINDS = (
    ("memory", re.compile(rf"section_type: memory error|section type: unknown, (?:{'|'.join(_MEMORY_GUIDS)})", re.I)),
    ("pcie", re.compile(r"section_type: (?:PCIe|CXL Protocol) error", re.IGNORECASE)),
    ("cpu", re.compile(r"section_type: .{0,24}processor error", re.IGNORECASE)),
    ("memory", re.compile(r"Memory Controller|DRAM ECC", re.IGNORECASE)),
)
_PCI = r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]"
_LEARNT = (
    ("dimm", re.compile(r"DIMM location: (?!not present)(?P<name>\S.{0,100})", re.IGNORECASE)),
    ("pci", re.compile(rf"(?<!, )(?:device_id|agent_address): (?P<name>{_PCI})", re.IGNORECASE)),
    ("package", re.compile(r"PROCESSOR \d+:[0-9a-f]+ .{0,40}SOCKET (?P<name>\d+)")),
    ("cpu", re.compile(r"(?:^CPU[ :]|^Hardware error detected on CPU)(?P<name>\d+)(?:[ :]|$)")),
    # drivers/firmware/efi/cper.c. An AMD bank's own address (Error Addr) is not a physical one.
    ("address", re.compile(r"physical_address: 0x(?P<name>[0-9a-f]{1,16})\b", re.IGNORECASE)),
    ("fru", re.compile(r"fru_text: (?P<name>\S.{0,40})")),
)
# A PCIe section's register, as cper_print_pcie prints it.
_AER = re.compile(
    r"aer_uncor_status: 0x(?P<status>[0-9a-f]{8}), aer_uncor_mask: 0x(?P<mask>[0-9a-f]{8})", re.IGNORECASE
)
_IPID = re.compile(r"\bIPID:? (?:0x)?(?P<value>[0-9a-f]{9,16})\b", re.IGNORECASE)
# `D2`, `DIMM_A`, but not `MemoryError`: what the firmware puts there need not be the name of a slot.
_SLOT = re.compile(r"\d|DIMM[ _-]?[A-Z]\b", re.IGNORECASE)
# Kind of part → finding code of a corrected and of an uncorrected error. "" stands for an error that only the
# firmware's vendor can interpret.
_CODES = {
    "": ("system.hardware_error", "system.hardware_error"),
    "cpu": ("cpu.corrected_machine_check", "cpu.machine_check"),
    "heat": ("thermal.throttled", "thermal.throttled"),
    "poison": ("system.hardware_error", "system.hardware_error"),
    "memory": ("memory.corrected", "memory.uncorrected"),
    "pcie": ("pcie.corrected", "pcie.uncorrected"),
}
# Words that name the part, by its kind. The CPU that noticed a memory error is not to blame for it.
_NAMED_BY = {
    "": (), "cpu": ("package", "cpu"), "heat": ("package", "cpu"), "memory": ("dimm",), "pcie": ("pci",), "poison": (),
}  # fmt: skip


def is_of_processor(text: str) -> bool:
    """Whether the line is about a bank of the CPU. If not, it belongs to the firmware's report."""
    return bool(_BANK.search(text) or _DECODED.search(text) or _FLAG.search(text))


@dataclass
class Section:
    """One error. `severity` is None until a line gives it. `told` is what was last reported of it. `is_refusal`: it is
    about a PCIe request that the device did not accept, and lost nothing else."""

    kind: str = ""
    severity: Severity | None = None
    words: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    told: Severity | None = None
    status: int = 0
    is_refusal: bool = False

    def part(self) -> tuple[str, str]:
        """Kind of name and name of the part, as in Hit."""
        for word in _NAMED_BY[self.kind]:
            if word in self.words:
                return word, self.words[word]
        if self.kind != "memory":
            return "", ""
        fru, address = self.words.get("fru", ""), self.words.get("address", "")
        if _SLOT.search(fru):
            return "dimm", fru
        return ("address", address) if address else ("", "")


class Report:
    """`learn` takes a line without its mark. `news` returns what was not reported before, or not as that severe."""

    def __init__(self, first: Record, *, is_old: bool) -> None:
        self.first, self.is_old, self.until_us = first, is_old, 0
        self._event: Severity | None = None
        self._is_stated = False
        self._head = Section()
        self._sections: list[Section] = []

    def ends_before(self, text: str) -> bool:
        """Whether the line begins another report."""
        if _BEGINNING.search(text):
            return True
        if _HEAD.search(text):
            return self._is_stated or bool(self._sections)
        return bool(_BANK.search(text) or _DECODED.search(text)) and self._is_begun()

    def learn(self, text: str) -> None:
        """Take a line of the report, without its mark."""
        if match := _SECTION.search(text):
            self._begin_section((match["type"] or match["old"]).lower())
        elif match := _EVENT.search(text):
            self._event, self._is_stated = _WORDS.get(match["word"].lower(), _CRITICAL), True
        elif "It has been corrected by h/w" in text:
            self._event = _WARNING
        section = self._sections[-1] if self._sections else self._head
        if sum(map(len, section.lines)) < QUOTED_CHARS:
            section.lines.append(text.strip())
        _learn_kind(section, text)
        self._learn_bank(section, text)
        if match := _AER.search(text):
            section.is_refusal = is_refusal(int(match["status"], 16), int(match["mask"], 16))
        for word, regex in _LEARNT:
            if word not in section.words and (match := regex.search(text)):
                section.words[word] = match["name"].strip()

    def news(self) -> list[Hit]:
        if self.is_old:
            return self._tell(self._head, "system.error_before_boot", _WARNING)
        hits = [hit for section in self._sections or [self._head] for hit in self._of(section)]
        return hits + self._unaccounted()

    def _is_begun(self) -> bool:
        return self._is_stated or bool(self._sections) or self._head.severity is not None

    def _begin_section(self, word: str) -> None:
        # Lines before the first section are about the first section. The CPU that they name is that of all sections.
        told = None if self._sections else self._head.told
        self._sections.append(Section(severity=_WORDS.get(word, _CRITICAL), words=dict(self._head.words), told=told))

    def _learn_bank(self, section: Section, text: str) -> None:
        if bank := _BANK.search(text):
            status = int(bank["status"], 16)
            if int(bank["bank"]) == THERMAL_BANK:
                section.kind, section.severity = "heat", _graver(section.severity, _WARNING)
                return
            is_grave = bool(bank["exception"]) or bool(status & UNCORRECTED_BIT)
            self.is_old = self.is_old and not bank["exception"]
            section.kind = "memory" if _is_of_memory(status) else section.kind or "cpu"
            section.severity = _graver(section.severity, _CRITICAL if is_grave else _WARNING)
            section.status = status
        elif section.status and _OF_AMD.search(text):
            _learn_of_amd(section)
        elif decoded := _DECODED.search(text):
            section.kind = section.kind or "cpu"
            section.severity = _graver(section.severity, _WARNING if decoded["mild"] else _CRITICAL)
        elif flagged := _FLAG.search(text):
            section.kind = "memory" if _is_of_memory(int(flagged["status"] or "0", 16)) else section.kind or "cpu"
            is_grave = flagged["flag"] == "UE"
            section.kind = "poison" if is_grave and "|Poison|" in text and section.kind == "cpu" else section.kind
            section.severity = _graver(section.severity, _CRITICAL if is_grave else _WARNING)

    def _of(self, section: Section) -> list[Hit]:
        # A report whose severity could not be read may have been a severe one.
        severity = section.severity or self._event or _CRITICAL
        if len(self._sections) == 1 and self._event is not None:
            severity = _graver(severity, self._event)
        corrected, uncorrected = _CODES[section.kind]
        code = uncorrected if severity is _CRITICAL else corrected
        severity = _WARNING if section.is_refusal and section.kind == "pcie" else severity
        return self._tell(section, code, severity, section.part())

    def _unaccounted(self) -> list[Hit]:
        """A hit for a section that is missing: the whole report is more severe than each of its sections."""
        is_lost = self._event is _CRITICAL and all(one.severity is not _CRITICAL for one in self._sections)
        return self._tell(self._head, _CODES[""][1], _CRITICAL) if is_lost and len(self._sections) > 1 else []

    def _tell(self, section: Section, code: str, severity: Severity, part: tuple[str, str] = ("", "")) -> list[Hit]:
        if section.told in (severity, _CRITICAL):
            return []
        section.told = severity
        own = [] if section is self._head else section.lines
        lines = [line for line in self._head.lines if not _BEGINNING.search(line)] + own
        return [Hit(self.first, code, severity, *part, said="; ".join(lines)[:QUOTED_CHARS], is_report=True)]


def _learn_kind(section: Section, text: str) -> None:
    found = next((kind for kind, regex in _KINDS if regex.search(text)), None)
    if found is not None and (not section.kind or found == "memory"):
        section.kind = found
    elif match := _IPID.search(text):
        is_memory = (int(match["value"], 16) >> 32) & 0xFFF == MEMORY_BANK
        section.kind = "memory" if is_memory else section.kind
    elif section.severity is None and "Machine check: " in text:
        section.kind = section.kind or "cpu"


def _learn_of_amd(section: Section) -> None:
    """Bits that only these makers' processors have."""
    section.severity = _CRITICAL if section.status & DEFERRED_BIT else section.severity
    if section.status & POISON_BIT and section.status & UNCORRECTED_BIT and section.kind == "cpu":
        section.kind = "poison"


def _is_of_memory(status: int) -> bool:
    is_poison = status & (_POISON | _PCC) == _POISON and status & 0xEFFF in _POISON_CODES
    return is_poison or status & MEMORY_MASK in MEMORY_CODES


def _graver(one: Severity | None, other: Severity) -> Severity:
    return _CRITICAL if _CRITICAL in (one, other) else other
