"""Storage controllers whose firmware failed or that had to be reset.

Wordings: drivers/scsi/megaraid/, mpt3sas/, mpi3mr/, hpsa.c, smartpqi/, aacraid/, arcmsr/, 3w-*.c, stex.c,
sym53c8xx_2/, hptiop.c, libsas/sas_scsi_host.c, drivers/message/fusion/, drivers/base/dd.c.
The events of a MegaRAID are Broadcom's: MegaRAID Storage Manager user guide, appendix "Events and Messages". The
log_info of a SAS controller is read after mpi/mpi_log_sas.h: 31 is its protocol layer, which tells of links and
drives."""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import PCI, critical, only_many, probe_failed, warning

_MEGARAID = rf"\bmega(?:raid_)?sas:? (?:(?P<pci>{PCI}): )?"
_EVENT = r"\bmega(?:raid_)?sas:? .{0,20}?\d+ \([^()]{1,40}/(?:CRIT|FATAL|DEAD)\) - "
_MPT = r"\b(?P<hba>mpt[23]sas(?:_cm)?\d+): "
_MPI3 = r"\b(?P<hba>mpi3mr\d+): "
# Fusion MPT, the family before mpt3sas. It names the controller, and the drive only in the next line.
_FUSION = r"\bmpt(?:base|scsih|sas|spi): (?P<hba>ioc\d+): (?:WARNING - |ERROR - )?"
_CODE = "disk.controller_error"
PATTERNS = (
    critical(
        _CODE,
        rf"{_MEGARAID}.{{0,80}}(?:FW in FAULT state|in fault ?state|forcibly FAULT|killing adapter|"
        r"Diag reset adapter never cleared|resetting fusion adapter|Reset (?:adapter )?failed|"
        r"hasn't changed in \d+ sec|Init cmd return status FAILED|failed to do reset|"
        r"cannot recover from previous reset failures)",
    ),
    critical(
        "disk.medium_error", rf"{_EVENT}Un(?:recover|correct)able medium error .{{0,60}}?(?P<word>PD \w+(?:\(\S+\))?)"
    ),
    critical(
        "disk.io_error", rf"{_EVENT}(?:Error on|.{{0,20}}predictive failure).{{0,10}}?(?P<word>PD \w+(?:\(\S+\))?)"
    ),
    critical("disk.io_error", rf"{_EVENT}(?P<word>VD \S{{1,12}}) is now (?:PARTIALLY )?(?:DEGRADED|OFFLINE)"),
    critical(_CODE, rf"{_MEGARAID}Failed (?:from megasas_init_fw|to transition controller to ready)"),
    critical(_CODE, rf"{_MEGARAID}DCMD ?\(opcode: 0x[0-9a-f]+\) is timed out"),
    # The controller's own events: `1234 (581443580s/0x0002/FATAL) - …`.
    critical(_CODE, rf"{_MEGARAID}\d+ \([^()]{{1,40}}/(?:FATAL|DEAD)\) - "),
    warning(_CODE, rf"{_MEGARAID}\d+ \([^()]{{1,40}}/CRIT\) - "),
    critical(
        _CODE,
        rf"{_MPT}.{{0,60}}(?:\bfault_state\(|coredump_state\(|SAS host is non-operational|attempting host reset|"
        r"(?:diag|hard|unit) reset: FAILED|port enable: FAILED|"
        r"failed going to (?:ready|operational) state|Command Timeout|handshake failed|failed due to timeout count\(|"
        r"doorbell handshake \w{1,16} \w{1,16} failed)",
    ),
    critical(_CODE, rf"{_MPT}failure at .{{0,80}}/_scsih_probe\(\)"),
    warning(_CODE, rf"{_MPT}.{{0,40}}Temperature Threshold flags .{{0,60}}exceeded"),
    # One or two such messages are ordinary.
    only_many("disk.link_unsteady", rf"{_MPT}log_info\(0x31[0-9a-f]{{6}}\): originator\(PL\)"),
    # Drives behind this expander may be missing.
    warning("disk.link_unsteady", rf"{_MPT}SMP command sent to the expander .{{0,120}}has (?:timed out|failed)"),
    warning("system.part_gone", rf"{_MPT}removing handle\(0x[0-9a-f]+\), sas_addr\("),
    critical(
        _CODE,
        rf"{_MPI3}.{{0,60}}(?:\bfault[_ ]?code|\bfault\s{{0,8}}:\s?code\(|\bfaulted\b|unrecoverable|"
        r"reset (?:is )?failed)",
    ),
    # The driver's reason. A program may ask for a reset, too, and a new firmware starts with one.
    critical(_CODE, rf"{_MPI3}controller reset is triggered by (?!application invocation|sysfs invocation|firmware)"),
    warning(_CODE, rf"{_MPI3}controller reset is triggered by firmware"),
    warning(_CODE, rf"{_MPI3}Temperature threshold levels .{{0,40}}exceeded"),
    critical(
        _CODE,
        rf"{_FUSION}.{{0,60}}(?:IOC is in FAULT state|HardReset: failed|Issuing (?:Hard)?Reset from|reset failed|"
        r"Failed to come READY|didn't initialize properly|attempting (?:lun|target|bus|host) reset!)",
    ),
    warning(_CODE, rf"{_FUSION}attempting task abort!"),
    critical("disk.io_error", rf"{_FUSION} +volume is now (?:degraded|failed)"),
    critical("disk.io_error", rf"{_FUSION} +PhysDisk is now (?:missing|failed)"),
    warning("system.part_gone", rf"{_FUSION}delete device: "),
    only_many("disk.link_unsteady", rf"{_FUSION}LogInfo\(0x31[0-9a-f]{{6}}\)"),
    critical(_CODE, r"\bhpsa .{0,60}(?:controller lockup detected|resetting (?:logical|physical) |: hardware error)"),
    # A drive or a volume. (smartpqi_init.c, hpsa.c)
    warning("system.part_gone", r"\b(?:smartpqi|hpsa) .{0,30}: removed (?:scsi )?\d+:\d+:"),
    warning("system.part_gone", r"\bhpsa .{0,30}: scsi \d+:\d+:\d+:\d+: removed (?!RAID)"),
    critical(_CODE, r"\bsmartpqi .{0,60}(?:controller is offline|controller offline|no heartbeat|resetting scsi )"),
    critical(
        _CODE,
        r"\baacraid:? .{0,60}(?:Host (?:adapter|bus|device|target) (?:abort|reset) request|Adapter health - -?\d|"
        r"Reset (?:attempt )?failed)",
    ),
    critical(_CODE, r"\b(?P<word>aac(?:raid)?\d*):? .{0,40}adapter kernel panic"),
    critical(_CODE, r"\b(?P<word>arcmsr\d*): .{0,40}(?:abort device command|bus reset|notify .{0,20}timeout)"),
    critical(_CODE, r"\bahci .{0,40}(?:AHCI controller unavailable!|controller reset failed \(0x)"),
    # Controllers that leave the protocol to the kernel: Intel C600, Marvell, Microsemi.
    critical("disk.link_error", r"\bsas: (?P<ata>ata\d+): .{0,40}Unable to reset ata device"),
    critical(
        "disk.io_error",
        r"\bsas: (?:executing TMF (?:task failed|for)|TMF task timeout for|TMF task failed) (?P<word>[0-9a-f]{16})",
    ),
    # A command hung, and the drive is reset.
    critical(
        "disk.io_error", r"\bsas: (?:eh: device|I_T nexus reset for dev|error from device) (?P<word>[0-9a-f]{16})\b"
    ),
    warning("disk.io_error", r"\bsas: sas_scsi_find_task: aborting task "),
    warning("disk.link_unsteady", r"\bsas: ex (?P<word>[0-9a-f]{16}) phy\d+ failed to discover"),
    critical(_CODE, r"\b(?P<word>pm80\w\w\d{0,2}):.{0,60}(?:Firmware Fatal error|chip_init failed)"),
    critical(
        _CODE,
        probe_failed(
            "nvme|ahci|megaraid_sas|mpt[23]sas|mpi3mr|hpsa|smartpqi|aacraid|arcmsr|qla2xxx|lpfc|pm80xx|mvsas|isci"
        ),
    ),
    critical(_CODE, r"\bscsi (?P<word>host\d+): (?:resetting host|HOST RESET operation started|OCR is requested)"),
    critical(_CODE, r"\b(?P<word>hptiop)_reset\(\d"),
    critical(_CODE, r"\b3w-\w{4,5}: (?P<word>scsi\d+): (?:AEN: )?ERROR"),
)
