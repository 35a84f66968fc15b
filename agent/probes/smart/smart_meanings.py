"""What an ATA attribute counts, by the name that smartctl's database gives it for this model, with reasons.

The number alone says nothing: 198 is unreadable sectors on one drive and gigabytes read on another. The names are those
of smartmontools' drivedb.h. It writes some of them in two ways (`SSD_Protect_Mode`, `SSD_Protect_mode`), so capital and
small letters are the same: `named` gives each name as this table spells it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Other kinds of values, beside those with a finding code.
NOTHING, UNKNOWN, LIFE_LEFT, LIFE_USED, SPARE_LEFT, HELIUM, FLIPS, RATE, AGE = (
    "nothing", "unknown", "life left", "life used", "spare left", "helium", "flips", "rate", "age"
)  # fmt: skip
SECTORS, BLOCKS = "smart.reallocated_sectors", "smart.retired_blocks"
PENDING, UNREADABLE, REPORTED = "smart.pending_sectors", "smart.uncorrectable_sectors", "smart.reported_uncorrectable"
TIMEOUTS, CRC, DATA_PATH, SPIN = "smart.command_timeouts", "smart.crc_errors", "smart.end_to_end", "smart.spin_retries"
WRITE_PROTECTED, FAILURE_TO_COME, GUESS = "write protected", "failure to come", "guess"
# For a flash drive that smartctl's database lacks, a name is smartctl's default for the number. These meanings are
# guesses then: in the database of 2026, that many entries for flash drives make something else of the number: 184 4,
# 187 4, 197 9, 198 4, 177 8, 232 9, 233 21. None makes of 5 anything but retired blocks.
GUESSES = frozenset({PENDING, UNREADABLE, REPORTED, DATA_PATH, LIFE_LEFT, SPARE_LEFT})


class Meaning(NamedTuple):
    """`what` is the finding code for the count, or one of the words above. `is_grave`: at its threshold the drive has
    failed, although its maker calls it an attribute of age."""

    what: str
    names: tuple[str, ...]
    why: str
    is_grave: bool = False


TABLE = (
    Meaning(
        SECTORS, ("Reallocated_Sector_Ct",),
        "a hard disk's sectors; on a drive without rotation the number of flash blocks (Micron TN-FD-22)", True,
    ),
    Meaning(
        BLOCKS,
        ("Reallocate_NAND_Blk_Cnt", "Reallocated_Block_Count", "Realloc_Flash_Blocks_Ct", "Retired_Block_Count",
         "Retried_Blk_Ct", "New_Bad_Blk_Cnt", "New_Bad_Blk_Count", "New_Bad_Block_Count", "Later_Bad_Block",
         "Later_Bad_Block_Count", "Total_Later_Bad_Blk_Ct", "Grown_Bad_Block_Ct", "Grown_Bad_Block_Count",
         "Grown_Bad_Blocks", "Grown_Failing_Block_Ct", "Added_Bad_Flash_Blk_Ct"),
        "flash blocks retired in use, each megabytes of a reserve of hundreds or thousands", True,
    ),
    Meaning(
        PENDING, ("Current_Pending_Sector", "Pending_Sector_Count"), "unreadable now, waiting to be written", True
    ),
    Meaning(
        UNREADABLE,
        ("Offline_Uncorrectable", "Offline_UErr_Media_Scan", "Offline_Scan_UNC_SectCt", "Uncorrectable_Sector_Ct"),
        "found unreadable by the drive's scan", True,
    ),
    Meaning(
        REPORTED,
        ("Reported_Uncorrect", "Reported_UE_Counts", "Reported_Uncorr_Errors", "Uncorrectable_Error_Cnt",
         "Uncorrectable_Err_Ct", "Uncor_Read_Error_Ct", "Uncorrectable_ECC_Ct", "SATA_UNC_Count",
         "Uncorrectable_Sectors", "UECC_Sector_Count", "Uncorrectable_ECC_Cnt", "UECC_Ct", "Lifetime_UECC_Ct",
         "Power_On_UECC_Err_Cnt", "Power_On_Uncorr_Err_Cnt"),
        "reads that came back to the host as errors", True,
    ),
    Meaning(
        REPORTED, ("Total_Pending_Sectors", "Total_Offl_Uncorrectabl"),
        "sectors that could not be read, over the drive's life: this one never falls (smartctl's -v 197,increasing)",
        True,
    ),
    Meaning(
        WRITE_PROTECTED, ("SSD_Protect_Mode", "SSD_Write_Protect_Mode", "Write_Protect_Mode"),
        "not 0 when the drive has made itself read only: its spare is used up (Kingston DC500, Toshiba, Apacer)", True,
    ),
    Meaning(TIMEOUTS, ("Command_Timeout", "Command_Timeouts"), "commands that took too long: power or cable, mostly"),
    Meaning(
        CRC,
        ("UDMA_CRC_Error_Count", "SATA_CRC_Error_Count", "SATA_CRC_Error", "SATA_FIS_CRC_Errors", "CRC_Error_Count",
         "CRC_Errors", "SATA_Error_Ct_CRC"),
        "transfers that failed their checksum: the cable's",
    ),
    Meaning(
        DATA_PATH,
        ("End-to-End_Error", "End-to-End_Error_Count", "End_to_End_Err_Detect", "IO_Error_Detect_Code_Ct",
         "E2E_ErrCnt_SATA-Flash", "Undetected_Data_Err_Ct", "Int_Data_Path_Prot_Unc"),
        "parity errors between host and medium inside the drive: data was wrong (HP SMART IV)", True,
    ),
    Meaning(SPIN, ("Spin_Retry_Count",), "starts of the spindle that failed at first: motor or bearing", True),
    Meaning(
        HELIUM, ("Helium_Level", "Helium_Condition_Lower", "Helium_Condition_Upper", "Pressure_Limit"),
        "the normalised value, 100 when sealed; its raw value is another unit with each maker", True,
    ),
    Meaning(
        LIFE_LEFT,
        ("SSD_Life_Left", "SSD_LifeLeft", "SSD_Life_Left_Perc", "SSD_Remaining_Life_Perc", "Lifetime_Left",
         "Lifetime_Remaining%", "DriveLife_Remaining%", "Drive_Life_Remaining%", "Percent_Life_Remaining",
         "PCT_Life_Remaining", "Perc_Rated_Life_Remain", "Percent_Lifetime_Remain", "Life_Remaining_Percent",
         "Remaining_Lifetime_Perc", "Remaining_Life", "Sys_Percent_Life_Remain", "Media_Wearout_Indicator",
         "Wear_Leveling_Count"),
        "the normalised value falls from 100 to 0 percent of the rated writes", True,
    ),
    Meaning(
        LIFE_USED,
        ("Percent_Lifetime_Used", "Perc_Rated_Life_Used", "Percent_Life_Used", "Drive_Life_Used%", "DriveLife_Used%"),
        "the raw value rises from 0 to 100 percent of the rated writes", True,
    ),
    Meaning(
        SPARE_LEFT,
        ("Available_Reservd_Space", "Perc_Avail_Resrvd_Space", "Spares_Remaining_Perc", "Min_Spares_Remain_Perc",
         "Reserved_Block_Pct"),
        "the normalised value is the percentage of spare blocks that are left", True,
    ),
    Meaning(
        FAILURE_TO_COME,
        ("Program_Fail_Count", "Program_Fail_Cnt_Total", "Program_Fail_Count_Chip", "Program_Fail_Ct",
         "Program_Fail_Cnt", "Erase_Fail_Count", "Erase_Fail_Count_Total", "Erase_Fail_Count_Chip", "Erase_Fail_Ct",
         "Erase_Fail_Cnt", "Used_Rsvd_Blk_Cnt_Tot", "Unused_Rsvd_Blk_Cnt_Tot", "Unused_Reserve_NAND_Blk",
         "Used_Rsvd_Blk_Cnt_Chip", "Used_Rsrvd_Blk_Cnt_Tot", "Used_Rsrvd_Blk_Cnt_Wrst", "Unused_Rsvd_Blk_Ct_Chip",
         "Reserve_Block_Count", "Reserved_Block_Count", "Reserve_Blk_Remaining", "Spare_Blocks_Remaining",
         "Remaining_Spare_Blocks", "Spare_Block_Remaining", "Spare_Blocks", "Spare_Blocks_Available",
         "Spares_Remaining", "Spare_Blk_Count_Left", "Valid_Spare_Block_Cnt", "Runtime_Invalid_Blk_Cnt",
         "Spare_Block_Count", "Spare_Block_Cnt_Worst", "Spare_Blocks_Worst_Chip", "Total_Spare_Block_Cnt",
         "Minimum_Spares_All_Zs", "Number_of_Pure_Spare", "Reserved_Blocks", "Reserve_Erase_BlkCt",
         "Avail_OP_Block_Count", "Block_Program_Failures", "Program_Fail_Blocks", "Program_Failure_Blk_Ct",
         "Total_Prog_Failures", "Block_Erase_Failure", "Block_Erase_Failures", "Erase_Failure_Blk_Ct",
         "Total_Erase_Failures", "Lifetime_Die_Failure_Ct", "Bad_Block_Count",
         "Bad_Blk_Ct_Erl/Lat", "Bad_Blk_Ct_Lat/Erl", "Early/Later_Bad_Blck_Ct", "Total_Bad_Block",
         "Total_Bad_Blocks", "Total_Bad_Block_Count", "Power_Fail_Health", "Remaining_Energy_Storg", "NOR_Health",
         "Power_Loss_Cap_Test", "PLP_Failure", "PwrLoss_ProtectionFail", "Supercap_Status",
         "SuperCap_Health", "Capacitor_Health", "Capacitor_Life", "End_of_Life", "Endurance_Limit_Met", "SSD_Health",
         "Calibration_Retry_Count", "Head_Health", "Head_Health_Score", "MAMR_Health_Monitor", "Read_Fail_Count"),
        "counts in a unit of each maker's own: only his threshold says when it is too much", True,
    ),
    Meaning(
        RATE,
        ("Raw_Read_Error_Rate", "Raw_Read_Error_Count", "Seek_Error_Rate", "Multi_Zone_Error_Rate", "Write_Error_Rate",
         "Write_Error_Count", "Soft_Read_Error_Rate", "Read_Soft_Error_Rate", "Read_Error_Rate",
         "Reallocated_Event_Count", "Data_Address_Mark_Errs", "Thermal_Asperity_Rate", "Detected_TA_Count",
         "Unc_Soft_Read_Err_Rate", "Uncorr_Soft_Read_Err_Rt", "Unc_Read_Error_Rate", "ECC_Uncorr_Error_Count"),
        "errors of medium or heads in a unit of each maker's own: only his threshold says when they are too many", True,
    ),
    Meaning(FLIPS, ("Current_Pending_ECC_Cnt",), "MX500 and its kin: flips between 0 and 1 (smartmontools #1227)"),
    Meaning(
        AGE,
        ("Airflow_Temperature_Cel", "Temperature_Celsius", "Temperature_Case", "Temperature_Internal",
         "Temperature_Celsius_x10", "Drive_Temperature", "Device_Temperature", "Case_Temperature", "Drive_Temp_Warning",
         "NAND_Temperature", "Controller_Temperature", "Power_On_Hours", "Power_On_Half_Minutes",
         "Power_On_Hours_and_Msec", "Power_Cycle_Count", "Start_Stop_Count", "Load_Cycle_Count", "Load_Retry_Count",
         "Power-Off_Retract_Count", "Unsafe_Shutdown_Count", "Unexpect_Power_Loss_Ct",
         "G-Sense_Error_Rate", "Free_Fall_Sensor", "Head_Flying_Hours", "Loaded_Hours", "High_Fly_Writes",
         "Hardware_ECC_Recovered", "Seek_Time_Performance", "Throughput_Performance", "Spin_Up_Time",
         "Thermal_Throttle_St", "Thermal_Throttle", "Total_LBAs_Written", "Total_LBAs_Read",
         "Emerg_Retract_Cycle_Ct", "Load_Unload_Cycle_Ct", "SATA_Downshift_Count", "SATA_Iface_Downshift"),
        "heat, shocks, use, age and slower links: at its threshold a reason to look, no failure",
    ),
    Meaning(
        NOTHING, ("Not_In_Use",), "the database says that this model counts nothing here",
    ),
    Meaning(
        NOTHING,
        ("Host_Reads_GiB", "Host_Writes_GiB", "Read_Sectors_Tot_Ct", "Write_Sectors_Tot_Ct"),
        "Indilinx and OCZ count host traffic where others count errors",
    ),
    Meaning(
        NOTHING,
        ("Total_Unc_NAND_Reads", "Total_Unc_Read_Failures", "Read_Failure_Blk_Ct", "ECC_Error_Count",
         "Error_Correction_Count"),
        "reads of flash that the drive corrected by reading again or from its parity; the host saw none of them",
    ),
    Meaning(
        NOTHING,
        ("Initial_Bad_Block_Count", "Factory_Bad_Block_Count"),
        "bad blocks that the factory found: every flash chip has some",
    ),
    Meaning(NOTHING, ("Exception_Mode_Status",), "a state of its own, no count"),
)  # fmt: skip
_BY_NAME = {name: row for row in TABLE for name in row.names}
_BY_NUMBER_AND_NAME = {
    (5, "Runtime_Bad_Block"): Meaning(
        BLOCKS, (), "Indilinx; elsewhere the name stands for 183, slower SATA links", True
    ),
    (230, "Media_Wearout_Indicator"): Meaning(NOTHING, (), "SanDisk and WD: the normalised value rises with wear"),
}
# Every name as this table spells it, by its small letters.
_SPELLED = {name.lower(): name for name in (*_BY_NAME, *(name for _, name in _BY_NUMBER_AND_NAME))}
# The database's names for attributes that count something unknown, or nothing.
_NOTHING_BY_WORD = ("Bogus", "Unknown", "Unkn_", "Reserved_Attribute", "Vendor_Specific", "Internal")
# Numbers that mean the same with most makers: E. Pinheiro et al., FAST '07, and Backblaze's yearly reports.
AGREED = (5, 10, 22, 184, 187, 188, 197, 198, 199)
# Models for which the database of smartctl 7.4 has wrong names: model, firmware, and the right names. Apacer's AS340
# with a Maxio controller counts erasures where those with a Phison count bad blocks and give a state: of one such drive
# the total was 66179, the largest 87, the smallest 3, the average 64. Innodisk's 3TG6 counts reads that it corrected in
# 184: sound drives had 386 after 96 hours and 56178666 after 4984, without one failed read.
_RENAMED = (
    (
        re.compile(r"Apacer AS3[45]0 .*"), re.compile(r"V\d.*"),
        {164: "Total_Erase_Count", 166: "Minimum_Erase_Count", 167: "Average_Erase_Count"},
    ),
    (re.compile(r".* 3TG6(-P)?"), re.compile(".*"), {184: "Error_Correction_Count"}),
)  # fmt: skip
# A state of write protection is a small number; a larger one is a count of something.
_STATES_MOST = 15
# Seagate IronWolf: the upper 16 bits of attribute 5 are the count, the lower 32 count operations (smartmontools issue
# 564).
_IRONWOLF, _IRONWOLF_FIRMWARE = re.compile(r"(ST\d{4,5}VN\d{3,4})\b.*"), re.compile(r"SC6\d")


def of(number: int, name: str) -> Meaning:
    """An unknown name is UNKNOWN if most makers agree on the number's meaning. Any other unknown name is NOTHING."""
    if (known := _BY_NUMBER_AND_NAME.get((number, name)) or _BY_NAME.get(name)) is not None:
        return known
    if any(word in name for word in _NOTHING_BY_WORD) or number not in AGREED:
        return Meaning(NOTHING, (), "no name that counts errors, wear or spare")
    return Meaning(UNKNOWN, (), "a name that the table does not have")


def named(model: str, firmware: str, number: int, name: str) -> str:
    """The attribute's name on this model: the database's, unless that is known to be wrong, in this table's
    spelling."""
    for of_model, of_firmware, names in _RENAMED:
        if of_model.fullmatch(model) and of_firmware.fullmatch(firmware):
            name = names.get(number, name)
    return _SPELLED.get(name.lower(), name)


def is_state(count: int) -> bool:
    """Whether this can be a state of write protection."""
    return count <= _STATES_MOST


def is_bogus(name: str) -> bool:
    """Whether this is an attribute of pending sectors that smartctl's database warns about."""
    return "Bogus" in name or of(197, name).what == FLIPS


def counts_above_32_bits(model: str, firmware: str) -> bool:
    """Whether attribute 5 of this drive has its count in the upper 16 bits of 48."""
    return bool(_IRONWOLF.fullmatch(model) and _IRONWOLF_FIRMWARE.fullmatch(firmware))
