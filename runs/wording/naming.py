"""The identifiers of checks, numbers, states and topics, in words for people."""

from __future__ import annotations

from agent.contract import wire
from hosts.expectations import NOT_EXPECTED
from runs.stages import BY_NAME

# What abbreviations in names stand for; "bogo ops" is stress-ng's word for a unit of its work.
_WORDS = {
    "bios": "BIOS", "bmc": "BMC", "bogo": "bogo ops", "cpu": "CPU", "dcmi": "DCMI", "dimms": "memory modules",
    "ecc": "ECC", "edac": "EDAC", "gpu": "GPU", "gpus": "GPUs", "mce": "machine checks", "nic": "NIC", "nics": "NICs",
    "nvme": "NVMe", "p99": "99th percentile", "pcie": "PCIe", "psu": "PSU", "psus": "PSUs", "rand": "random",
    "sel": "BMC event log", "seq": "sequential", "smart": "SMART", "tcp": "TCP", "udp": "UDP", "usb": "USB",
    "fec": "FEC", "iommu": "IOMMU", "smt": "SMT", "sriov": "SR-IOV", "tpm": "TPM", "numa": "NUMA",
    "mac": "MAC", "temp": "temperature", "uuid": "UUID", "wwn": "WWN",
}  # fmt: skip
# States that are not stages.
_STATES = {
    "Registered": "Registered",
    "Queued": "Queued",
    "WaitingWoL": "Waiting for the host to wake",
    "Booting": "Booting",
    "Completed": "Completed",
    "Failed": "Failed",
    "FailedHolding": "Held for you",
    "Released": "Released",
    "Cancelled": "Cancelled",
}


def state_in_words(state: str) -> str:
    """A stage by its title, any other state in plain words."""
    return BY_NAME[state].title if state in BY_NAME else _STATES.get(state, state)


def topic_in_words(topic: str) -> str:
    """`thermal` is "CPU temperature"."""
    return NOT_EXPECTED.get(topic, topic)


def in_words(name: str) -> str:
    """`counters.edac` is "error counters EDAC", `seq_read` "sequential read"."""
    plain = name.removeprefix(wire.COUNTER_CHECKS)
    words = " ".join(_WORDS.get(word, word) for word in plain.split("_"))
    return words if plain == name else f"error counters {words}"
