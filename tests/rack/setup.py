"""What a machine's setup sets, in QEMU's words: processors with or without virtualization and SMT, IOMMU, NUMA nodes,
TPM. Pure."""

from __future__ import annotations

from tests.rack.bay import Bay
from tests.rack.machinefile import Machine


def cpu(machine: Machine, accelerator: str) -> str:
    """The value of -cpu. The kernel finds the threads of a core only on Intel's processors: QEMU's own has none of the
    leaves that AMD's tell it with."""
    model = "host" if accelerator.startswith("kvm") else "max"
    words = [model]
    if machine.settings.virtualization is False:
        words += ["vmx=off", "svm=off"]
    if machine.settings.smt and model == "max":
        words.append("vendor=GenuineIntel")
    return ",".join(words)


def topology(machine: Machine) -> str:
    """The value of -smp. Each NUMA node is a socket."""
    sockets, threads = machine.sockets, machine.threads
    return f"{machine.cpus},sockets={sockets},cores={machine.cpus // sockets // threads},threads={threads}"


def devices(machine: Machine, bay: Bay) -> list[str]:
    """What is on the board: nodes, IOMMU (before the devices that it looks after), TPM."""
    words = []
    nodes = machine.settings.numa_nodes or 0
    for node in range(nodes):
        size_mb = machine.memory_mb // nodes + (machine.memory_mb % nodes if node == 0 else 0)
        words += ["-object", f"memory-backend-ram,id=node{node},size={size_mb}M"]
        words += ["-numa", f"node,nodeid={node},memdev=node{node}", "-numa", f"cpu,node-id={node},socket-id={node}"]
    words += ["-device", "intel-iommu,intremap=off"] if machine.settings.iommu else []
    if machine.settings.tpm not in (None, "none"):
        words += ["-chardev", f"socket,id=tpm,path={bay.tpm}", "-tpmdev", "emulator,id=tpm0,chardev=tpm"]
        words += ["-device", "tpm-tis,tpmdev=tpm0"]
    return words
