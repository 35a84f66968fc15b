"""Drives and their links: SCSI, ATA, NVMe.

Wordings: drivers/scsi/sd.c, scsi_error.c, scsi_lib.c, scsi_logging.c, sense_codes.h (0x0B: warnings; 0x5D: failure
predictions, of which FF is a drill; 0x08, 0x0E, 0x47 and 0x4B: errors of the link); the eh_*_handler of
drivers/scsi/mpt3sas/, mpi3mr/, megaraid/, 3w-*.c, aic7xxx/, stex.c, sym53c8xx_2/;
drivers/ata/libata-*.c; drivers/nvme/host/core.c, pci.c;
drivers/mmc/core/block.c, core.c, mmc.c, host/cqhci-core.c."""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import critical, warning

_SD = r"\bsd \d+:\d+:\d+:\d+: \[(?P<blk>sd[a-z]{1,4})\].{0,60}"
_SCSI = r"\b(?:sd|scsi) (?P<scsi>\d+:\d+:\d+:\d+): "
_ATA = r"\b(?P<ata>ata\d+)(?:\.\d+)?: "
_NVME = r"\b(?P<nvme>nvme\d+)(?:n\d+)?: "
PATTERNS = (
    critical("disk.medium_error", rf"{_SD}Sense Key ?: Medium Error"),
    critical("disk.io_error", rf"{_SD}Sense Key ?: Hardware Error"),
    critical("disk.io_error", rf"{_SCSI}(?:\[\w+\] )?(?:rejecting I/O to (?:offline|dead) device|Device offlined - )"),
    critical(
        "smart.failing", rf"{_SD}Add\. Sense: .{{0,60}}(?:prediction threshold exceeded(?! \(false)|impending failure)"
    ),
    # Its format is not whole, or it gave itself up. Some arrays say the last of their standby paths.
    critical(
        "disk.io_error", rf"{_SD}Add\. Sense: (?:Medium format corrupted|Logical unit fail(?:ure|ed self-test)\b)"
    ),
    warning("disk.io_error", rf"{_SD}Add\. Sense: Logical unit not ready, manual intervention required"),
    # The kernel waits 100 s. The end of the line may be a record of its own, without the drive's name.
    critical("disk.io_error", rf"{_SD}Spinning up disk[. ]{{0,200}}not responding"),
    critical("disk.io_error", r"^[. ]{0,200}not responding\.\.\.$"),
    # Also a path of an array that is on standby.
    warning("disk.io_error", rf"{_SD}Read Capacity\(\d+\) failed: Result:"),
    critical("smart.write_protected", rf"{_SD}Write Protect is on"),
    # What a SAS drive says of itself beside the answer to a command (0x0B), as in smart_scsi: it is warm, its enclosure
    # or its surroundings are not well; all else means that it fails.
    warning(
        "smart.temperature",
        rf"{_SD}Add\. Sense: Warning - (?:specified temperature|(?:high|low) \w{{1,12}} temperature limit) exceeded",
    ),
    warning("smart.enclosure", rf"{_SD}Add\. Sense: Warning - enclosure degraded"),
    warning(
        "smart.drive_warns",
        rf"{_SD}Add\. Sense: Warning - (?:power loss expected|device statistics notification|"
        r"(?:high|low) \w{1,12} humidity limit|microcode)",
    ),
    critical("smart.failing", rf"{_SD}Add\. Sense: Warning - \w"),
    # The drive got the command or its data damaged, or no answer to what it sent: by the cable, the backplane, or an
    # end of the link. The command is repeated.
    warning(
        "disk.link_unsteady",
        rf"{_SD}Add\. Sense: (?:Information unit (?:iuCRC error detected|too short|too long)|Ack/nak timeout|"
        r"Nak received|Data offset error|Initiator response timeout|Connection lost|Data phase CRC error detected|"
        r"Protocol service CRC error|Logical unit communication (?:CRC|parity) error|Scsi parity error)",
    ),
    critical(
        "system.part_gone", r"^\s?(?P<blk>nvme\d+n\d+|sd[a-z]{1,4}): detected capacity change from [1-9]\d* to 0\b"
    ),
    critical("disk.io_error", rf"{_SD}timing out command, waited \d+s"),
    critical("disk.io_error", rf"{_SCSI}(?:tag#\d+ )?timing out command, waited \d+s"),
    critical("disk.io_error", rf"{_SD}Medium access timeout failure\. Offlining disk!"),
    # A command took 30 s or more, and the driver resets the drive, or everything behind the controller. Each driver has
    # words of its own.
    critical(
        "disk.io_error",
        rf"{_SCSI}.{{0,60}}(?:attempting (?:device|target|host)(?:\(lun\))? reset|(?:bus|host) reset is \w|"
        r"attempting to queue a TARGET RESET|(?:target|bus) reset operation started|timed out, resetting card|"
        r"megasas: RESET cmd=|OCR is requested due to IO timeout)",
    ),
    # The drive may have answered later.
    warning(
        "disk.io_error",
        rf"{_SCSI}.{{0,40}}(?:attempting (?:task abort|abort task)|attempting to queue an ABORT|"
        r"abort operation started|aborting command)",
    ),
    # The link to a drive behind a SAS controller dropped, and may come back.
    warning("disk.link_unsteady", rf"{_SCSI}device_block, handle\("),
    critical("disk.medium_error", rf"{_ATA}error: \{{[^}}]{{0,60}}\bUNC\b"),
    # Only drives on a controller in IDE mode are asked. Some that programs emulate answer so, too.
    warning("smart.drive_warns", rf"{_ATA}Drive reports diagnostics failure"),
    warning("disk.link_unsteady", rf"{_ATA}reset failed \(errno=-\d+\), retrying"),
    # The last digit is 1: a drive is there, and no link (Serial ATA 3.1, SStatus DET).
    warning("disk.link_unsteady", rf"{_ATA}SATA link down \(SStatus [0-9A-F]{{0,2}}1 "),
    # Without the commands of optical drives: PACKET, 0xa0 and 0xa1.
    critical(
        "disk.link_error",
        rf"{_ATA}(?:exception Emask|failed command: (?!PACKET)|hard resetting link|COMRESET failed|"
        r"limiting (?:SATA link )?speed to|NCQ disabled due to excessive errors|lost interrupt|"
        r"failed to (?:IDENTIFY|set xfermode)|"
        r"revalidation failed|disable device|disabled\s*$|"
        r"qc timeout (?:after \d+ msecs )?\(cmd 0x(?!a[01])|EH pending after|reset failed, giving up)",
    ),
    # An eMMC that hung. The command is repeated and may succeed, so no I/O error follows. Some host controllers cause
    # it.
    warning(
        "disk.io_error",
        r"\b(?P<mmc>mmc\d+): (?:cqhci: timeout for tag \d|running CQE recovery|"
        r"error -\d+ whilst initialising MMC card)",
    ),
    critical("disk.io_error", r"\b(?P<blk>mmcblk\d+): recovery failed!"),
    # Status code type 2: media and data integrity errors. [NVM Express base specification 2.0, 3.3.3.2.1]
    critical(
        "disk.medium_error",
        r"\b(?P<blk>nvme\d+(?:c\d+)?n\d+): [\w/ ]{1,40}\(0x[0-9a-f]+\) @ LBA .{0,100}\(sct 0x2 / sc 0x8[0-4]\)",
    ),
    # The drive reports an error of its own. Some sound ones answer so to a command that they do not know.
    warning("disk.controller_error", rf"{_NVME}[\w/ ]{{1,40}}\(0x[0-9a-f]+\).{{0,100}}\(sct 0x0 / sc 0x6\)"),
    # An answer to a command that was never sent: the drive's firmware, or data lost on the way.
    critical("disk.controller_error", rf"{_NVME}(?:invalid id \d+ completed on queue|request 0x[0-9a-f]+ genctr)"),
    # The drive had completed the command, and its interrupt was lost: by the board as often as by the drive.
    warning("disk.controller_error", rf"{_NVME}I/O .{{0,80}}\btimeout, completion polled"),
    critical("disk.controller_error", r"\bblock (?P<blk>nvme\d+n\d+): no available path - failing I/O"),
    critical(
        "disk.controller_error",
        rf"{_NVME}.{{0,200}}(?:I/O .{{0,100}}timeout|I/O (?:tag )?\d+ .{{0,60}}QID|controller is down|Device not ready|"
        r"Removing after probe failure|Disabling device after reset failure|frozen state error detected|"
        r"Device shutdown incomplete|resetting controller due to|Identify (?:Controller|namespace) failed|"
        r"Could not set queue count|"
        # Its registers give only ones: it has left the bus, or never came up.
        r"Minimum device page size 134217728 too large for host)",
    ),
)
