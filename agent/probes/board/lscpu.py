"""CPU model, sockets, cores and threads as the kernel sees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.contract import wire
from agent.host import shell, sysfs
from agent.parsing import ParseError, clean, integer, mapping, parse_json, sequence

# The values for "no microcode loaded", and for a hypervisor that gives none.
_NO_REVISION = ("", "0x0", "0xffffffff")


def run(timeout_s: float = 20.0) -> shell.Completed:
    return shell.run(["lscpu", "-J"], timeout_s)


def parse(text: str) -> wire.Cpu:
    """The cores are those of all sockets together. `with_microcode` adds the microcode. Raises ParseError."""
    fields = _fields(sequence(parse_json(text, "lscpu").get("lscpu")))
    sockets = _count(fields, "Socket(s)")
    per_socket = _count(fields, "Core(s) per socket") or _count(fields, "Core(s) per cluster")
    threads = _count(fields, "CPU(s)")
    if threads is None:
        raise ParseError("lscpu named no CPU(s)")
    for name in ("Socket(s)", "Core(s) per socket"):
        if name in fields and _count(fields, name) is None:
            raise ParseError(f"lscpu says {name}: {fields[name][:40]}")
    sockets = sockets or _count(fields, "Cluster(s)") or 1
    cores = sockets * per_socket if per_socket else threads
    return wire.Cpu(sockets=sockets, cores=cores, threads=threads, model=clean(fields.get("Model name")))


def with_topology(cpu: wire.Cpu, root: Path = Path("/")) -> wire.Cpu:
    """The CPU with sockets and cores from the kernel's topology. lscpu divides the online cores by the sockets, and
    rounds. A package is one socket, however many dies and NUMA nodes it has, and the threads of a core are one core. If
    the kernel has no topology (some virtual machines), lscpu's numbers stay."""
    packages: set[int] = set()
    cores: set[tuple[int, str]] = set()
    for topology in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology")):
        package = sysfs.integer(topology / "physical_package_id")
        threads = sysfs.text(topology / "core_cpus_list") or sysfs.text(topology / "thread_siblings_list")
        if package is None or not threads:
            return cpu
        packages.add(package)
        cores.add((package, threads))
    return replace(cpu, sockets=len(packages), cores=len(cores)) if packages else cpu


def with_microcode(cpu: wire.Cpu, cpuinfo: str) -> wire.Cpu:
    """The CPU with the microcode revision in /proc/cpuinfo. If the processors have several revisions, all of them are
    given."""
    pairs = (line.partition(":") for line in cpuinfo.splitlines())
    found = dict.fromkeys(clean(value) for key, _, value in pairs if key.strip() == "microcode")
    named = [revision for revision in found if revision.lower() not in _NO_REVISION]
    return replace(cpu, microcode=", ".join(named)[:128])


def read_cpuinfo(root: Path = Path("/")) -> str:
    try:
        return (root / "proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""


def _fields(rows: list[object]) -> dict[str, str]:
    """util-linux nests the rows since 2.38. A bare `-` means unknown."""
    found: dict[str, str] = {}
    for row in map(mapping, rows):
        name, value = clean(row.get("field")).rstrip(":"), row.get("data")
        if value not in (None, "-"):
            found.setdefault(name, clean(value))
        for key, inner in _fields(sequence(row.get("children"))).items():
            found.setdefault(key, inner)
    return found


def _count(fields: dict[str, str], name: str) -> int | None:
    value = integer(fields.get(name))
    return value if value and value > 0 else None
