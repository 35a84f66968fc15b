"""PCI Express errors, and interrupts that report a failed bus.

Wordings: drivers/pci/pcie/aer.c (old and 6.16), dpc.c, edr.c, drivers/pci/hotplug/pciehp_ctrl.c, drivers/pci/pci.c,
drivers/pci/quirks.c, drivers/edac/edac_pci_sysfs.c, arch/x86/kernel/nmi.c, drivers/cxl/pci.c,
drivers/iommu/amd/iommu.c.
"""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import PCI, critical, warning

_BUS_ERROR = r"(?:PCIe|CXL) Bus Error: severity="
# Newer kernels leave out the mark where a port reports an error of CXL.
_MARK = rf"(?:AER: |pcieport {PCI}: )"
_RECEIVED = rf"error (?:message )?received(?:(?: from|:) (?P<pci>{PCI}))?"
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
    warning("pcie.link_slow", r"pciehp: (?:Slot\(\S{1,24}\): )?(?:Cannot train link|Failed to check link status)"),
    # A card that answers with nothing but ones.
    warning("pcie.uncorrected", r"unknown header type 7f, ignoring device"),
    warning("system.part_gone", r"pciehp: Slot\(\S{1,24}\): Link Down"),
    critical("pcie.uncorrected", r"not ready \d+ms after [\w ]{1,24}; giving up"),
    # Also logged for cards that were put to sleep on purpose.
    warning(
        "pcie.uncorrected",
        r"change power state from D\w{1,8} to D0(?:, device inaccessible| \(config space inaccessible\))",
    ),
    critical("pcie.uncorrected", r"\bcxl_\w{1,16} .{0,60}frozen state error detected"),
    # The IOMMU waits for a card that no longer answers.
    critical("pcie.uncorrected", rf"AMD-Vi: Event logged \[IOTLB_INV_TIMEOUT device=(?P<pci>{PCI})"),
    warning("pcie.link_slow", r"broken device, retraining non-functional downstream link|\bretraining failed"),
    # Some sound devices set these bits for good.
    warning("pcie.uncorrected", rf"EDAC PCI\d*: .{{0,40}}(?:Parity Error|System Error) on (?P<pci>{PCI})"),
    critical("pcie.uncorrected", r"NMI: (?:PCI system error|IOCK error)"),
    # An interrupt without a known cause: a bus, a button, or a watchdog without a driver.
    warning("system.nmi", r"NMI received for unknown reason"),
)
