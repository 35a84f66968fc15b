"""Every recording of tests/recorded/ with the functions that judge it: the one place to look. A new folder, or a file
that none of these rows is for, fails `test_mutations.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.agent_stages import chains, inventories, mutations
from tests.agent_stages.chains import Judge
from tests.agent_stages.mutations import Change
from tests.agent_stages.recordings import RECORDED


def _whole(text: str) -> list[str]:
    return [text]


@dataclass(frozen=True)
class Row:
    """How the recordings of one pattern are changed and judged.

    `parts` makes of a recording what is judged: itself, or each of its rows. `may_be_absent` are patterns of `place
    word`: what a tool may leave out altogether, or what makes another recording of it that is as true as the first.
    `hangs_on` are patterns of places: the values that the verdict of a sound recording rests on. `most` changes of each
    are tried, or up to twice as many, evenly spread. With `or_failed` such a value may also make the recording fail:
    it is another part then, or what it excused is not excused any more."""

    pattern: str
    changes: Callable[[str], Iterator[Change]]
    judge: Judge | None
    hangs_on: tuple[str, ...] = ()
    may_be_absent: tuple[str, ...] = ()
    parts: Callable[[str], list[str]] = _whole
    # In the place of `judge`, where a recording is compared with itself.
    judge_against: Callable[[str], Judge] | None = None
    most: int = 1200
    or_failed: bool = False

    def files(self) -> list[Path]:
        return [path for path in sorted(RECORDED.glob(self.pattern)) if path.name != "README.md"]

    def judge_of(self, whole: str) -> Judge:
        judge = self.judge or (self.judge_against and self.judge_against(whole))
        assert judge
        return judge


_STAMP = "   1 | 11/23/2026 | 19:15:54 | "


def _sel_rows(text: str) -> list[str]:
    return [f"{_STAMP}{cells[-1]}" for cells in _cells(text)]


def _but_the_sensor(part: str) -> Iterator[Change]:
    """A sensor's name is its BMC's own: what another says of its part can't be known."""
    sensor = range(len(_STAMP), part.index("|", len(_STAMP)))
    for place, word, changed in mutations.of_text(part):
        if int(place.partition(":")[2].split()[0]) not in sensor:
            yield place, word, changed


def _kernel_lines(text: str) -> list[str]:
    return [f"<4>[   60.000000] {cells[-1]}" for cells in _cells(text)]


def _kernel_log(text: str) -> list[str]:
    return ["\n".join(_kernel_lines(text))]


def _cells(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


SEL, SDR = chains.of_kind("sel", "PSU"), chains.of_kind("sdr", "PSU")
KMSG = chains.of_kind("kmsg", "CPUStress")
json, text, xml = mutations.of_json, mutations.of_text, mutations.of_xml
# A log that only some drives keep is no evidence that is missed, and attributes differ from maker to maker. smartctl
# writes null for a page of statistics that is empty (a place of a sparse list).
SMART_MAY_LACK = (
    r"ata_device_statistics(\.pages\.\d+(\.table(\.\d+)?)?)? removed",
    r"ata_device_statistics\.pages\.\d+ null",
    r"ata_pending_defects_log removed",
    r"ata_smart_error_log removed",
    r"ata_smart_attributes\.table\.\d+ removed",
    r"scsi_background_scan(\.result_\d+)? removed",
)
SMART_RESTS_ON = (
    r"smart_status(\.passed)?",
    r"ata_smart_attributes(\.table)?",
    r"scsi_grown_defect_list",
    r"scsi_error_counter_log(\.(read|write)(\.total_uncorrected_errors)?)?",
    r"nvme_smart_health_information_log(\.(critical_warning|available_spare|percentage_used|media_errors))?",
)
# A whole entry or sensor that is not listed is unknown without a spec.
NOT_LISTED = (r"\d+:[^|]+\|.* (removed|empty)",)
# Two words less, or one that makes another event of the same table; what a maker's record holds is the maker's.
OTHER_EVENT = (
    r"1:\d+ (Drive|Device|Memory|out-of-range|Non-Redundant|Soft-power|Run-time) (removed|a number)",
    r"1:\d+ 000137 a word",
)
# A page that offers less is the page of another card or switch.
LESS_OFFERED = (r"\d+:(\d+ )?\d+base.* (removed|empty|cut)",)
DIAGNOSED_LESS = (r".*\.(test_categories|tests|results)\.\d+ removed",)
SUMS = (r"end(\.sum_received(_bidir_reverse)?(\.(bytes|bits_per_second))?)?",)

ROWS = (
    # Disks.
    Row("smartctl/*.json", json, chains.of_kind("smartctl", "SMART"), SMART_RESTS_ON, SMART_MAY_LACK, most=1500,
        or_failed=True),
    Row("fio/*", json, chains.verified_write, (r"jobs", r"jobs\.0\.error", r"jobs\.0\.(read|write)(\.io_bytes)?")),
    Row("fio/*", json, chains.surface_read, (
        r"jobs", r"jobs\.0\.error", r"jobs\.0\.read(\.io_bytes|\.clat_ns(\.max)?)?")),
    Row("fio/*", json, chains.burnt_disk, (r"jobs", r"jobs\.0\.error", r"jobs\.0\.read(\.io_bytes)?")),
    Row("fio/*", json, chains.speed, (r"jobs(\.1)?", r"jobs\.\d\.(error|read(\.(io_bytes|bw_bytes|iops))?)"),
        parts=lambda whole: [chains.three_jobs(whole)], most=300),
    Row("nvme/*", json, chains.nvme_self_test),
    Row("nvme/*", json, chains.nvme_self_test, (r"oacs",),
        parts=lambda whole: [whole.replace('"oacs":266', '"oacs":282')], most=200),
    # Cores, memory, cards.
    Row("stress-ng/*", text, chains.cores, (r"\d+:\d+ (2160\.559205|cpu)",)),
    Row("stressapptest/*", text, chains.patterns, (r"11:.*(45956\.00M| 0|hardware|errors)", r"\d+:\d+ PASS")),
    Row("memtester/*", text, chains.bit_patterns, (r"\d+:\d+ (ok|got|Loop|Done\.)",), most=300),
    Row("gpu_burn/*", text, chains.gpus_burnt, (r"(6|10):\d\d 0", r"1[67]:\d+ (OK|GPU)")),
    Row("dcgmi/*-3.json", json, chains.diagnosed_two, may_be_absent=DIAGNOSED_LESS),
    Row("dcgmi/*-4.json", json, chains.diagnosed_one, may_be_absent=DIAGNOSED_LESS),
    Row("dcgmi/*-4.json", json, chains.diagnosed_one, (
        r".*\.1\.tests(\.0(\.name|\.results(\.0(\.entity_id)?)?)?)?", r".*\.tests\.0\.results\.0\.status"),
        parts=lambda whole: [whole.replace("Fail", "Pass")]),
    Row("nvidia-smi/*", xml, chains.of_kind("nvidia-smi", "GPU"), (
        r".*\.(volatile|aggregate)\.(dram|sram)_uncorrectable",), (r".*\.aggregate\.\w+ removed",)),
    # Network.
    Row("iperf3/four-streams.json", json, chains.out_on_slow, SUMS, most=600),
    Row("iperf3/four-streams.json", json, chains.out_on_fast, parts=lambda whole: [chains.calm(whole)], most=600),
    Row("iperf3/both-ways.json", json, chains.both_on_slow, SUMS, most=600),
    Row("iperf3/both-ways.json", json, chains.both_on_fast, parts=lambda whole: [chains.calm(whole)], most=600),
    Row("iperf3/refused.json", json, chains.out_on_slow),
    Row("ping/*", text, chains.loss, (r"4:\d+ (300|packets|received)",)),
    Row("ethtool/link-*", text, chains.linked, may_be_absent=LESS_OFFERED),
    # Two lists say what the card can do, those of what it supports and of what it offers: either is enough.
    Row("ethtool/link-*", text, chains.linked, (r"\d+:\d+ (Settings|Speed|1000Mb/s)", r"15:\d+ link"), LESS_OFFERED,
        parts=lambda whole: [whole.replace("100Mb/s (downshifted)", "1000Mb/s")]),
    Row("ethtool/module-*", text, chains.lit, (r"\d+:\d+ (On|Off)",), most=200),
    Row("ip/*", json, chains.addressed, (r"[12]\.(ifname|addr_info(\.0\.(family|local|scope))?)",)),
    # What a BMC says.
    Row("ipmitool/*.sel", text, SEL, (r"\d+:\d+ (Asserted|Transition|Correctable|\d\d/\d\d/\d{4})",), NOT_LISTED),
    Row("ipmitool/sel-says.tsv", _but_the_sensor, SEL, parts=_sel_rows, may_be_absent=OTHER_EVENT),
    Row("ipmitool/sel-says-nothing.txt", text, SEL, (r"1:\d+ (Asserted|11/23/2026)",), parts=_sel_rows, most=10),
    Row("ipmitool/*sel-empty.txt", mutations.of_lines, SEL),
    Row("ipmitool/*.sdr", text, SDR, (r"\d+:\d+ (RPM|percent)", r"[4-9]:38 Presence"), NOT_LISTED),
    Row("ipmitool/*-sdr.txt", text, SDR),
    Row("ipmitool/*-dcmi.txt", text, chains.power),
    # What the kernel wrote. Its words are of fixed formats, and other words are another line.
    Row("kmsg/says.tsv", mutations.beside, KMSG, parts=_kernel_lines),
    Row("kmsg/says.tsv", mutations.of_lines, KMSG, parts=_kernel_log, most=20),
    Row("kmsg/says_nothing.txt", mutations.of_lines, KMSG, parts=_kernel_log, most=30),
    # Parts: the machine is well, or one is missing or another.
    Row("dmidecode/*", text, None, (r"(1\d|2\d|89|92):1 (Locator|Size)",), judge_against=inventories.of_firmware,
        most=60, or_failed=True),
    Row("dmidecode/*", text, None, judge_against=inventories.of_firmware,
        parts=lambda whole: [inventories.without_a_module(whole)], most=150),
    *(Row(pattern, changes, inventories.of_tool(tool), hangs_on, most=150, or_failed=True)
      for tool, pattern, changes, hangs_on in (
          ("dmidecode", "dmidecode/qemu-q35.txt", text, (r"\d+:\d+ (SYS-1|D-0001)",)),
          ("lspci", "lspci/*", text, (r"(40|49):\d+ 0100",)),
          ("lshw", "lshw/*", json, ()),
          ("lsblk", "lsblk/*", json, (r"blockdevices(\.0\.serial)?",)),
          ("lscpu", "lscpu/*", json, (r"lscpu(\.1\.data)?",)),
          ("meminfo", "meminfo/*", text, (r"1:\d+ (MemTotal|2981696)",)),
          ("ethtool", "ethtool/qemu-*", text, (r"1:\d+ driver",)),
          ("mc_info", "ipmitool/*-mc-info.txt", text, (r"3:\d+ (Firmware|Revision)",)),
      )),
    *(Row(pattern, changes, inventories.of_tool(tool), parts=lambda whole, sick=sick: [sick(whole)], most=150)
      for tool, pattern, changes, sick in (
          ("lspci", "lspci/qemu-*", text, lambda whole: whole.replace("Virtio SCSI", "Virtio other")),
          ("lsblk", "lsblk/qemu-*", json, lambda whole: whole.replace("SATA-0001", "SATA-0009")),
          ("lscpu", "lscpu/qemu-*", json, lambda whole: whole.replace('"data": "2"', '"data": "1"')),
          ("meminfo", "meminfo/qemu-*", text, lambda whole: whole.replace("2981696", "1081696")),
      )),
)  # fmt: skip

# What no verdict on hardware rests on, and the test that reads it.
ELSEWHERE = {
    "dnsmasq/*.log": "tests/pxe/test_dnsmasqlog.py",
    "ethtool/fec-*": "tests/agent_stages/test_optics.py",
    "ipmitool/watchdog-*.txt": "tests/agent/test_bmc_watchdog.py",
}
