"""Whatever a tool, the kernel or a boot script writes: a parser gives an answer or raises its own error."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import parsing
from agent.contract import codec, placeholders, wire
from agent.core_screen import answers
from agent.counters import bmc_log, command_counters, sysfs_counters
from agent.counters.component_names import Names
from agent.counters.kernel import error_report, kmsg, kmsg_recording, machine_checks
from agent.disk_writes import signatures
from agent.host import power, shell
from agent.link import cmdline, redact
from agent.loads import dcgm, fio, gpu_burn, iperf3, memtester, ping, stress_ng, stressapptest
from agent.parsing import ParseError
from agent.probes.bmc import bmc_fans, board_limits, ipmitool, redundancy, sel, supplies, supply_inputs, watchdog
from agent.probes.board import dmidecode, dmimemory, early_memtest, iomem, lscpu, lshw, meminfo, pagemap
from agent.probes.bus import lspci
from agent.probes.drives import bays, disks, lsblk, nvme, raid, util_linux
from agent.probes.gpu import amdgpu, nvidia_smi, nvidia_words
from agent.probes.network import addresses, ethtool, fec, lldp, optics
from agent.probes.smart import smartctl
from tests.agent_stages import toolbench
from tests.agent_stages.recordings import RECORDED

AGENT = Path(shell.__file__).parents[1]


@dataclass(frozen=True)
class Parser:
    """`error` is the only exception that it may raise; `samples` are recordings (tool/file) or texts to damage."""

    parse: Callable[[str], object]
    samples: tuple[str, ...] = ()
    error: type[Exception] | tuple[()] = ParseError


CMDLINE = "ro vetting.url=http://10.0.0.1:8000 vetting.run=7 vetting.token=vt1.7.1.x.y quiet"
PANIC = "   3 | Linux kernel panic: Fatal excep\n"
ENTRY = "   1 | 11/23/2026 | 19:12:49 | Power Supply PS1 | Failure detected | Asserted\n"
FAILED_READ = "fio: io_u error on file /dev/sda: Input/output error: read offset=2097152, buflen=1048576\n"
FAILED_VERIFY = "crc32c: verify failed at file /dev/sda offset 5242880, length 4096 (requested block: offset=5242880)\n"
MESSAGE = "3,1234,5678901,-;blk_update_request: critical medium error, dev sda, sector 1234\n SUBSYSTEM=block\n"
BANK = "mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: be00000000800400"
FRAME = (
    b"\x01\x80\xc2\0\0\x0e\x02\0\0\0\0\1\x88\xcc" + b"\2\7\4\x02\0\0\0\0\1" + b"\4\5\5eth1" + b"\6\2\0\x78\0\0"
).decode("latin-1")
FAN = "FAN1             | 41h | ok  |  29.1 | 4200 RPM\n"
PORT = "NIC statistics:\n     rx_crc_errors: 12\n     rx_fcs_errors: 0\n"

# Every public function of the agent that takes text which it did not write itself.
PARSERS: dict[str, Parser] = {
    "agent.link.cmdline.parse": Parser(cmdline.parse, (CMDLINE,), cmdline.BadCommandLine),
    "agent.core_screen.answers.is_wrong": Parser(lambda text: answers.is_wrong(text, "9f86d081"), ("9f86d081",), ()),
    "agent.probes.bmc.watchdog.parse": Parser(
        watchdog.parse, ("ipmitool/watchdog-os-load-running.txt", "ipmitool/watchdog-1.8.18.txt")
    ),
    "agent.counters.command_counters.of_drive": Parser(
        lambda text: command_counters.of_drive(text, "S1"), ("smartctl/qemu-q35-sata.json",), ()
    ),
    "agent.counters.command_counters.of_sdr": Parser(
        lambda text: command_counters.of_sdr(text, 0.0), ("Inlet Temp | 04h | ok | 7.1 | 23 degrees C\n",), ()
    ),
    "agent.counters.bmc_log.entry_count": Parser(bmc_log.entry_count, ("Entries          : 12\n",), ()),
    "agent.counters.bmc_log.is_full": Parser(bmc_log.is_full, ("Overflow         : true\n",), ()),
    "agent.counters.kernel.error_report.is_of_processor": Parser(error_report.is_of_processor, (BANK,), ()),
    "agent.counters.kernel.kmsg_recording.duration_s": Parser(kmsg_recording.duration_s, (MESSAGE + BANK,), ()),
    "agent.counters.kernel.kmsg_recording.findings": Parser(
        lambda text: kmsg_recording.findings(text, Names(Path("/nonexistent"))), (MESSAGE + BANK,), ()
    ),
    "agent.counters.kernel.kmsg_recording.records": Parser(
        kmsg_recording.records, (f"<3>[   12.345678] {BANK}\n{MESSAGE}",), ()
    ),
    "agent.counters.kernel.machine_checks.belongs_to_a_report": Parser(machine_checks.belongs_to_a_report, (BANK,), ()),
    "agent.loads.dcgm.parse": Parser(dcgm.parse, ("dcgmi/written-by-manual-3.json", "dcgmi/written-by-manual-4.json")),
    "agent.loads.gpu_burn.parse": Parser(
        gpu_burn.parse, ("gpu_burn/written-by-source-ok.txt", "gpu_burn/written-by-source-faulty.txt")
    ),
    "agent.loads.iperf3.parse_both": Parser(iperf3.parse_both, ("iperf3/both-ways.json",)),
    "agent.probes.gpu.amdgpu.parse_errors": Parser(amdgpu.parse_errors, ("ue: 0\nce: 3\n",), ()),
    "agent.probes.network.ethtool.parse_link": Parser(ethtool.parse_link, ("ethtool/link-written-downshifted.txt",)),
    "agent.probes.network.lldp.parse": Parser(lambda text: lldp.parse(text.encode("latin-1", "replace")), (FRAME,)),
    "agent.probes.drives.bays.parse_identity": Parser(bays.parse_identity, ("smartctl/qemu-q35-scsi.json",)),
    "agent.probes.drives.raid.parse_scan": Parser(
        raid.parse_scan,
        ('{"smartctl": {"exit_status": 0}, "devices": [{"name": "/dev/bus/0", "type": "megaraid,4"}]}',),
    ),
    "agent.counters.kernel.kmsg.parse": Parser(kmsg.parse, (MESSAGE,), ()),
    "agent.loads.fio.errors": Parser(fio.errors, (FAILED_VERIFY + FAILED_READ,), ()),
    "agent.loads.fio.io_errors": Parser(fio.io_errors, (FAILED_READ,), ()),
    "agent.loads.fio.parse": Parser(fio.parse, ("fio/verify-ok.json", "fio/timebased-never-verifies.txt")),
    "agent.loads.fio.parse_all": Parser(fio.parse_all, ("fio/verify-failed.json",)),
    "agent.loads.fio.verify_errors": Parser(fio.verify_errors, (FAILED_VERIFY,), ()),
    "agent.loads.iperf3.parse": Parser(iperf3.parse, ("iperf3/four-streams.json", "iperf3/refused.json")),
    "agent.loads.memtester.parse": Parser(memtester.parse, ("memtester/pass.txt",)),
    "agent.loads.ping.parse": Parser(ping.parse, (toolbench.PING,)),
    "agent.loads.stress_ng.parse_yaml": Parser(stress_ng.parse_yaml, ("stress-ng/cpu-and-vm.yaml",)),
    "agent.loads.stressapptest.parse": Parser(
        stressapptest.parse, ("stressapptest/pass.txt", "stressapptest/forced-errors.txt")
    ),
    "agent.loads.stressapptest.miscompares": Parser(
        stressapptest.miscompares, ("stressapptest/forced-errors.txt",), ()
    ),
    "agent.loads.stressapptest.wrong_words": Parser(
        stressapptest.wrong_words, ("stressapptest/forced-errors.txt",), ()
    ),
    "agent.host.power.supports_magic_packet": Parser(power.supports_magic_packet, ("\tSupports Wake-on: pumbg\n",), ()),
    "agent.probes.network.addresses.parse": Parser(addresses.parse, ("ip/qemu-q35.json",)),
    "agent.probes.drives.disks.wwn": Parser(disks.wwn, ("naa.5000c500a",), ()),
    "agent.probes.board.dmidecode.parse": Parser(
        lambda text: _all_of_dmi(dmidecode.parse(text)), ("dmidecode/qemu-q35.txt",)
    ),
    "agent.probes.board.dmimemory.size_mb": Parser(dmimemory.size_mb, ("32 GB",), ()),
    "agent.probes.network.ethtool.parse_driver": Parser(ethtool.parse_driver, ("ethtool/qemu-q35-e1000e.txt",)),
    "agent.probes.bmc.ipmitool.parse_dcmi_power": Parser(
        ipmitool.parse_dcmi_power, ("    Instantaneous power reading:                   120 Watts\n",)
    ),
    "agent.probes.bmc.ipmitool.parse_mc_info": Parser(ipmitool.parse_mc_info, ("ipmitool/qemu-q35-mc-info.txt",)),
    "agent.probes.bmc.ipmitool.parse_sdr": Parser(
        lambda text: _all_of_sdr(ipmitool.parse_sdr(text)), ("ipmitool/qemu-q35-sdr.txt", toolbench.SDR + FAN)
    ),
    "agent.probes.bmc.sel.parse": Parser(lambda text: _all_of_sel(sel.parse(text)), (ENTRY, PANIC)),
    "agent.probes.bmc.sel.unread": Parser(sel.unread, (ENTRY,), ()),
    "agent.probes.drives.lsblk.parse": Parser(lsblk.parse, ("lsblk/qemu-q35.json", "lsblk/virtio-vm.json")),
    "agent.probes.board.early_memtest.parse": Parser(
        early_memtest.parse,
        ("early_memtest: # of tests: 4\n  0x0000000000001000 - 0x000000000009f000 pattern aaaaaaaaaaaaaaaa\n",),
        (),
    ),
    "agent.probes.board.iomem.system_ram": Parser(
        iomem.system_ram, ("00001000-bfffffff : System RAM\n01000000-01ffffff : Kernel code\n",)
    ),
    "agent.probes.board.lscpu.parse": Parser(lscpu.parse, ("lscpu/qemu-q35.json",)),
    "agent.probes.board.lshw.parse": Parser(lshw.parse, ("lshw/qemu-q35.json",)),
    "agent.probes.bus.lspci.parse": Parser(lspci.parse, ("lspci/qemu-q35.txt",)),
    "agent.probes.board.pagemap.largest_mapping": Parser(
        pagemap.largest_mapping, ("7f27b600000-7f27f600000 rw-p 00000000 00:00 0 \n",), ()
    ),
    "agent.probes.board.meminfo.parse": Parser(meminfo.parse, ("meminfo/qemu-q35.txt",)),
    "agent.probes.gpu.nvidia_smi.parse": Parser(nvidia_smi.parse, ("nvidia-smi/written-by-schema-v12.xml",)),
    "agent.probes.gpu.nvidia_smi.read": Parser(
        lambda text: nvidia_smi.read(text).silent, ("nvidia-smi/a10g.xml", "nvidia-smi/written-by-schema-v11.xml")
    ),
    "agent.probes.gpu.nvidia_smi.pci_address": Parser(nvidia_smi.pci_address, ("00000000:65:00.0",), ()),
    "agent.probes.gpu.nvidia_words.is_absent": Parser(nvidia_words.is_absent, ("[N/A]",), ()),
    "agent.probes.gpu.nvidia_words.is_error": Parser(nvidia_words.is_error, ("[Unknown Error]", "ERR!"), ()),
    "agent.probes.gpu.nvidia_words.is_moved": Parser(nvidia_words.is_moved, ("N/A",), ()),
    "agent.probes.gpu.nvidia_words.plain": Parser(nvidia_words.plain, ("[N/A]",), ()),
    "agent.probes.drives.nvme.parse": Parser(nvme.parse, ("nvme/qemu-q35.json",)),
    "agent.parsing.clean": Parser(parsing.clean, (), ()),
    "agent.parsing.count": Parser(parsing.count, ("12",), ()),
    "agent.parsing.identifier": Parser(parsing.identifier, ("None",), ()),
    "agent.contract.placeholders.is_no_name": Parser(placeholders.is_no_name, ("NO DIMM",), ()),
    "agent.contract.placeholders.is_placeholder": Parser(placeholders.is_placeholder, ("A1_SerNum0",), ()),
    "agent.parsing.is_dummy": Parser(parsing.is_dummy, ("00000000-0000",), ()),
    "agent.parsing.parse_json": Parser(lambda text: parsing.parse_json(text, "tool"), ("nvme/qemu-q35.json",)),
    "agent.probes.smart.smartctl.parse": Parser(
        lambda text: smartctl.parse(text).trouble,
        tuple(f"smartctl/qemu-q35-{kind}.json" for kind in ("sata", "nvme", "scsi", "usb")),
    ),
    "agent.probes.drives.util_linux.parse_blkid": Parser(util_linux.parse_blkid, ("TYPE=ext4\nLABEL=guests\n",)),
    "agent.probes.drives.util_linux.parse_wipefs": Parser(
        util_linux.parse_wipefs, ('{"signatures": [{"type": "LVM2_member", "label": null}]}',)
    ),
    "agent.probes.network.fec.parse": Parser(fec.parse, ("ethtool/fec-written-by-manual.txt",), ()),
    "agent.probes.network.optics.parse": Parser(
        optics.parse, ("ethtool/module-written-by-source-sfp.txt", "ethtool/module-written-by-source-qsfp.txt")
    ),
    "agent.link.redact.printable": Parser(redact.printable, (CMDLINE,), ()),
    "agent.link.redact.redact": Parser(redact.redact, (CMDLINE,), ()),
    "agent.counters.sysfs_counters.parse_aer": Parser(
        lambda text: sysfs_counters.parse_aer("nonfatal", text), ("UnsupReq 3\nTOTAL_ERR_NONFATAL 3",), ()
    ),
    "agent.counters.sysfs_counters.parse_driver_errors": Parser(sysfs_counters.parse_driver_errors, (PORT,), ()),
    "agent.counters.sysfs_counters.tells_damaged_frames": Parser(sysfs_counters.tells_damaged_frames, (PORT,), ()),
}
# Those that take text in another way than as their first argument.
OTHERS: dict[str, Parser] = {
    "agent.probes.drives.disks.bus_of": Parser(
        disks.bus_of, ("/sys/devices/pci0000:00/0000:00:1f.2/ata1/host1/sdb",), ()
    ),
    "agent.probes.drives.disks.same_wwn": Parser(lambda text: disks.same_wwn(text, text), ("naa.5000c500a",), ()),
    "agent.contract.codec.loads": Parser(
        lambda text: codec.loads(wire.HeartbeatAnswer, text.encode()), (), codec.WireError
    ),
    "agent.counters.kernel.machine_checks.Reports.look": Parser(
        lambda text: machine_checks.Reports().look(kmsg.Record(1, 1, 3, text)), (BANK,), ()
    ),
    "agent.counters.kernel.kmsg.Classifier.look": Parser(
        lambda text: kmsg.Classifier().look(kmsg.Record(1, 1, 3, text)), (MESSAGE.partition(";")[2],), ()
    ),
    "agent.loads.stress_ng.judge": Parser(
        lambda text: stress_ng.judge(shell.Completed(["stress-ng"], 0, text), text), ("stress-ng/cpu-and-vm.yaml",), ()
    ),
    "agent.probes.board.lscpu.with_microcode": Parser(lambda text: lscpu.with_microcode(wire.Cpu(), text), (), ()),
    "agent.disk_writes.signatures.scan": Parser(
        lambda text: _scan(text.encode()), ("LABELONE LVM2 001 _BHRfS_M", "EFI PART"), ()
    ),
}
# These read files of the kernel one number at a time, sort what others parsed, or are the parsers' own words.
NO_TEXT = {
    f"agent.probes.{name}"
    for name in (
        "bmc.bmc_events",
        "bmc.bmc_fans",
        "bmc.bmc_meanings",
        "bmc.bmc_states",
        "bmc.redundancy",
        "bmc.supplies",
        "bmc.board_limits",
        "bmc.supply_inputs",
        "board.boot_entries",
        "board.dmiaddresses",
        "board.memory_modules",
        "board.edac",
        "board.frames",
        "board.settings",
        "bus.adapters",
        "bus.display_cards",
        "bus.hba",
        "bus.hidden_drives",
        "bus.pcilink",
        "bus.usblink",
        "drives.emmc",
        "drives.raid_models",
        "drives.safe_mode",
        "drives.sataport",
        "drives.turns",
        "gpu.gpus",
        "gpu.nvidia_condition",
        "gpu.nvidia_memory",
        "network.firmware_lldp",
        "network.infiniband",
        "network.nics",
        "smart.gaps",
        "smart.smart_attributes",
        "smart.smart_counts",
        "smart.smart_error_log",
        "smart.smart_meanings",
        "smart.smart_nvme",
        "smart.smart_scsi",
        "smart.smart_self_test",
        "smart.smart_statistics",
        "smart.smart_wear",
    )
} | {"agent.loads.wrong_word"}
ALL = {**PARSERS, **OTHERS}

NASTY_TEXT = st.sampled_from(
    ["", "²", "٣", "-1", "1.2.3", "9" * 5000, "0x", "\x00", "\x85", "{", "}", "\n", "=", ":", "|"]
)
NASTY_JSON = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        10**40,
        10**400,
        1.5,
        1e308,
        float("inf"),
        float("nan"),
        "",
        "²",
        "9" * 5000,
        [],
        {},
        [[]],
        [{}],
    ]
)


def test_every_parser_of_the_agent_is_fuzzed() -> None:
    assert set(_parsers()) == set(PARSERS)


def test_every_module_that_asks_a_tool_has_a_parser_here() -> None:
    modules = {_module(path) for folder in ("probes", "loads") for path in (AGENT / folder).rglob("[a-z]*.py")}
    assert modules - {name.rpartition(".")[0] for name in PARSERS} == NO_TEXT


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=40, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(data=st.data())
def test_no_input_makes_a_parser_raise_anything_but_its_own_error(name: str, data: st.DataObject) -> None:
    parser = ALL[name]
    _try(parser, data.draw(st.text(max_size=200)))
    for sample in parser.samples:
        _try(parser, data.draw(damaged(_recorded(sample))))


@pytest.mark.parametrize("name", [name for name, parser in ALL.items() if parser.samples])
def test_a_recording_cut_anywhere_is_an_answer_or_a_parse_error(name: str) -> None:
    for sample in map(_recorded, ALL[name].samples):
        for at in range(0, len(sample), max(1, len(sample) // 50)):
            _try(ALL[name], sample[:at])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "text",
    ['{"children":[' * 300 + "]}" * 300, "[" * 5000 + "]" * 5000, '{"children":[' * 2000 + "]}" * 2000, "9" * 100_000],
)
def test_what_is_too_deep_or_too_long_is_no_crash(name: str, text: str) -> None:
    _try(ALL[name], text)
    for key in ("blockdevices", "lscpu", "jobs", "end", "smartctl"):
        _try(ALL[name], f'{{"{key}": [{text}]}}')


@st.composite
def damaged(draw: st.DrawFn, sample: str) -> str:
    """The sample with a few of its numbers, lines or JSON values replaced by what no tool prints."""
    if (document := _json(sample)) is not None and draw(st.booleans()):
        return _damaged_json(draw, document)
    for _ in range(draw(st.integers(1, 4))):
        spans = [
            match.span() for match in re.finditer(draw(st.sampled_from([r"\d+", r"[^\n]+", r"\W", r"\w+"])), sample)
        ]
        if spans:
            start, end = draw(st.sampled_from(spans))
            sample = sample[:start] + draw(NASTY_TEXT | st.text(max_size=10)) + sample[end:]
    return sample


def _damaged_json(draw: st.DrawFn, document: Any) -> str:
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 4))):
        holder, key = draw(st.sampled_from(list(_places(document)) or [({}, "x")]))
        holder[key] = draw(NASTY_JSON)
    return json.dumps(document)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where something stands in a JSON document: its holder and its key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def _try(parser: Parser, text: str) -> None:
    try:
        parser.parse(text)
    except parser.error as error:
        assert str(error), "an error without a word"


def _recorded(sample: str) -> str:
    path = RECORDED / sample
    is_recording = "\n" not in sample and "/" in sample and path.is_file()
    return path.read_text(errors="replace") if is_recording else sample


def _json(sample: str) -> Any:
    try:
        return json.loads(sample)
    except ValueError:
        return None


def _parsers() -> Iterator[str]:
    """Public functions outside the stages whose first argument is text, by the names that they give it here."""
    for path in AGENT.rglob("*.py"):
        judges = path.relative_to(AGENT).parts[0] in ("stages", "exercises", "reports", "tester_proof")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not judges:
                first = next(iter(node.args.args), None)
                if node.name.startswith("parse") or (first and first.arg in ("text", "line", "identifier")):
                    yield f"{_module(path)}.{node.name}"


def _module(path: Path) -> str:
    return ".".join(path.relative_to(AGENT.parent).with_suffix("").parts)


def _all_of_dmi(structures: list[dmidecode.Structure]) -> None:
    for read in (dmidecode.system, dmidecode.bios, dmidecode.processors, dmimemory.dimms, dmidecode.power_supplies):
        read(structures)
    dmimemory.has_ecc(structures)
    dmimemory.without_check_bits(structures)


def _all_of_sdr(sensors: list[ipmitool.Sensor]) -> None:
    for kind in (sensors, supplies.among(sensors), bmc_fans.among(sensors)):
        supply_inputs.judged(supplies.power_supplies(kind), kind)
        supplies.conditions(kind)
        bmc_fans.fans(kind)
    for sensor in board_limits.measured(sensors, supplies.power_supplies(sensors)):
        board_limits.crossed(sensor)
    for sensor in sensors:
        redundancy.lost(sensor)


def _all_of_sel(entries: list[sel.LogEntry]) -> None:
    bmc_log.EventLog().take(entries)
    for entry in entries:
        assert entry.quote


def _scan(content: bytes) -> None:
    """A disk of 1 MiB with this at its start, in every 4 KiB, and at its end."""
    disk = (content.ljust(4096, b"\0")[:4096] * 256)[: (1 << 20) - len(content)] + content
    signatures.scan(lambda at, length: disk[at : at + length], len(disk))
