"""PCI Express errors, accesses that the IOMMU refused, and interrupts that report a failed bus.

Wordings: drivers/pci/pcie/aer.c (old and 6.16), dpc.c, edr.c, drivers/pci/hotplug/pciehp_ctrl.c, drivers/pci/pci.c,
drivers/pci/quirks.c, setup-res.c, drivers/edac/edac_pci_sysfs.c, arch/x86/kernel/nmi.c, drivers/cxl/pci.c,
drivers/iommu/amd/iommu.c, drivers/iommu/intel/dmar.c, kernel/irq/spurious.c.
"""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import PCI, critical, only_many, warning

_BUS_ERROR = r"(?:PCIe|CXL) Bus Error: severity="
# Newer kernels leave out the mark where a port reports an error of CXL.
_MARK = rf"(?:AER: |pcieport {PCI}: )"
_RECEIVED = rf"error (?:message )?received(?:(?: from|:) (?P<pci>{PCI}))?"
# Without a domain.
_SHORT = r"[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
PATTERNS = (
    warning("pcie.corrected", rf"{_BUS_ERROR}Correct"),
    critical("pcie.uncorrected", rf"{_BUS_ERROR}(?:Uncorrect|Fatal|Non-Fatal)"),
    warning("pcie.corrected", rf"{_MARK}(?:Multiple )?Correct(?:ed|able) {_RECEIVED}"),
    critical(
        "pcie.uncorrected", rf"{_MARK}(?:Multiple )?(?:Uncorrect\w{{0,4}}|Fatal|Non-Fatal)(?: \([\w-]+\))? {_RECEIVED}"
    ),
    critical("pcie.uncorrected", r"AER: .{0,20}(?:recovery|device reset) failed"),
    # A port shut its link down so that no bad data gets through. A program may ask for that, too.
    critical(
        "pcie.uncorrected",
        rf"DPC:? containment event(?!.{{0,60}}software trigger)(?:.{{0,60}}received from (?P<pci>{PCI}))?",
    ),
    critical("pcie.uncorrected", r"DPC:? (?:unmasked uncorrectable error|ERR_(?:NON)?FATAL|RP PIO error) detected"),
    critical("pcie.uncorrected", r"\bEDR: EDR event received"),
    critical("pcie.uncorrected", r"pciehp: Slot\(\S{1,24}\): Power fault"),
    warning(
        "pcie.link_slow",
        r"pciehp: (?:Slot\(\S{1,24}\): )?(?:Cannot train link|link training error|Failed to check link status)",
    ),
    # A card that answers with nothing but ones.
    warning("pcie.uncorrected", r"unknown header type 7f, ignoring device"),
    warning("pcie.uncorrected", r"\bBAR \d{1,2}\b.{0,60}: error updating \((?:high )?\w{1,20} != 0xffffffff\)"),
    warning("system.part_gone", r"pciehp: Slot\(\S{1,24}\): Link Down(?!/Up ignored)"),
    critical("pcie.uncorrected", r"not ready \d+ms after [\w ]{1,24}; giving up"),
    # Also logged for cards that were put to sleep on purpose. The state is unknown before a driver has the card, and
    # after it left.
    warning(
        "pcie.uncorrected",
        r"change power state from \w{1,8} to \w{1,8}(?:, device inaccessible| \(config space inaccessible\))|"
        r"Refused to change power state(?: from \w{1,8} to D0\b|, currently in D3)",
    ),
    critical("pcie.uncorrected", r"\bcxl_\w{1,16} .{0,60}frozen state error detected"),
    # The IOMMU waits for a card that no longer answers.
    critical("pcie.uncorrected", rf"AMD-Vi: Event logged \[IOTLB_INV_TIMEOUT device=(?P<pci>{PCI}|{_SHORT})"),
    critical("pcie.uncorrected", r"DMAR: VT-d detected Invalidation Time-out Error: SID (?!ffff\b)"),
    # A card used memory that it was not given: the card, its driver, or the firmware's table of reserved memory.
    warning("pcie.uncorrected", rf"AMD-Vi: Event logged \[\w{{1,40}}(?: device=(?P<pci>{PCI}|{_SHORT}))?"),
    warning("pcie.uncorrected", rf"DMAR: ?\[DMA (?:Read|Write)[^\]]{{0,20}}\] Request device \[(?P<pci>{_SHORT})\]"),
    only_many("pcie.uncorrected", rf"DMAR: ?\[INTR-REMAP\] Request device \[(?P<pci>{_SHORT})\]"),
    # All bits set: the unit did not answer, as some sound ones do while their ports are reset.
    warning("pcie.uncorrected", r"DMAR: VT-d detected Invalidation (?:Queue|Completion|Time-out) Error: "),
    warning("pcie.uncorrected", r"AMD-Vi: Completion-Wait loop timed out"),
    warning("pcie.link_slow", r"broken device, retraining non-functional downstream link|\bretraining failed"),
    # Some sound devices set these bits for good.
    warning("pcie.uncorrected", rf"EDAC PCI\d*: .{{0,40}}(?:Parity Error|System Error) on (?P<pci>{PCI})"),
    critical("pcie.uncorrected", r"NMI: (?:PCI system error|IOCK error)"),
    # An interrupt without a known cause: a bus, a button, or a watchdog without a driver.
    warning("system.nmi", r"NMI received for unknown reason"),
    # The kernel switches the interrupt off, and the devices that use it become slow.
    warning("system.nmi", r"\birq \d+: nobody cared"),
)
