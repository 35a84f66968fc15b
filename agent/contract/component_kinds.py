"""The kinds of component that a finding, an error counter or a measurement may name. Standard library only."""

from __future__ import annotations

from enum import StrEnum


class ComponentKind(StrEnum):
    """Behind each kind stands what names the component. The words for people are in `hosts/parts.py`."""

    SYSTEM = "system"  # `system`, or the kernel's own name of a device that is of no other kind (a PCI address)
    CPU = "cpu"  # CPU<package>, or CPU<package> core <processor>
    DIMM = "dimm"  # the locator of the slot
    DISK = "disk"  # its serial number, else the kernel's name
    NIC = "nic"  # its MAC
    INFINIBAND = "infiniband"  # its GUID, else the kernel's name
    GPU = "gpu"  # its UUID, else its PCI address
    ADAPTER = "adapter"  # its serial number, else its PCI address
    HBA = "hba"  # a storage adapter, of which the firmware is meant: its PCI address
    PSU = "psu"  # as the BMC names it
    FAN = "fan"  # as the BMC names it
    BMC = "bmc"  # `BMC`
