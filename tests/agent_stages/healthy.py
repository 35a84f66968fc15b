"""Sound drives as smartctl 7.4 prints them, cut down to what is judged. Tests lay one change over a copy."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def attribute(number: int, name: str, raw: int, value: int = 100, thresh: int = 0, **more: Any) -> Document:
    """One row; `text` is the raw value as smartctl prints it, `old_age` whether its threshold means age."""
    flags = {"prefailure": not more.pop("old_age", True)}
    text = more.pop("text", str(raw))
    row = {"id": number, "name": name, "value": value, "worst": value, "thresh": thresh, "when_failed": ""}
    return {**row, "flags": flags, "raw": {"value": raw, "string": text}, **more}


def _drive(protocol: str, status: int = 0) -> Document:
    return {
        "smartctl": {"version": [7, 4], "exit_status": status}, "device": {"protocol": protocol},
        "smart_support": {"available": True, "enabled": True}, "smart_status": {"passed": True},
        "serial_number": "S1", "power_on_time": {"hours": 20000},
    }  # fmt: skip


def ata(*rows: Document, rpm: int | None = 7200, **more: Any) -> Document:
    """A SATA drive with the usual attributes of a hard disk, `rows` in the place of those of the same number."""
    usual = [
        attribute(5, "Reallocated_Sector_Ct", 0, thresh=10, old_age=False),
        attribute(197, "Current_Pending_Sector", 0),
        attribute(198, "Offline_Uncorrectable", 0),
    ]
    kept = [row for row in usual if row["id"] not in {other["id"] for other in rows}]
    return {
        **_drive("ATA"), **({} if rpm is None else {"rotation_rate": rpm}),
        "ata_smart_data": {
            "self_test": {"status": {"value": 0, "string": "completed without error", "passed": True},
                          "polling_minutes": {"short": 1, "extended": 90}},
            "capabilities": {"self_tests_supported": True},
        },
        "ata_smart_attributes": {"table": [*kept, *rows]}, **more,
    }  # fmt: skip


def ssd(*rows: Document, **more: Any) -> Document:
    return ata(*rows, rpm=0, **more)


def statistic(page: int, offset: int, name: str, value: int, **flags: bool) -> Document:
    """The object of device statistics with one value in it."""
    row = {
        "offset": offset,
        "name": name,
        "size": 4,
        "value": value,
        "flags": {"valid": True, "normalized": False, **flags},
    }
    return {"ata_device_statistics": {"pages": [{"number": page, "table": [row]}]}}


def statistics(*rows: tuple[int, int, str, int]) -> Document:
    """As `statistic`, each on a page of its own."""
    each = [statistic(*row)["ata_device_statistics"]["pages"][0] for row in rows]
    return {"ata_device_statistics": {"pages": each}}


def error_log(*errors: tuple[str, int]) -> Document:
    """Of each error what smartctl says of it, and the drive's age in hours then."""
    table = [{"error_description": f"Error: {words}", "lifetime_hours": hours} for words, hours in errors]
    return {"ata_smart_error_log": {"extended": {"count": len(table), "table": table}}}


def sas(**more: Any) -> Document:
    counters = {"total_errors_corrected": 10, "total_uncorrected_errors": 0}
    return {
        **_drive("SCSI"), "scsi_grown_defect_list": 0,
        "scsi_error_counter_log": {"read": {**counters}, "write": {**counters}}, **more,
    }  # fmt: skip


def nvme(**log: Any) -> Document:
    """`log` is laid over the health log."""
    usual = {"critical_warning": 0, "available_spare": 100, "available_spare_threshold": 10, "percentage_used": 3,
             "media_errors": 0, "num_err_log_entries": 12}  # fmt: skip
    return {**_drive("NVMe"), "nvme_smart_health_information_log": {**usual, **log}}
