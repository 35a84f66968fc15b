"""Fibre Channel adapters. The disks behind them are outside of the host, so a link that goes down may be the fabric's
fault.

Wordings: drivers/scsi/qla2xxx/qla_isr.c, qla_os.c; drivers/scsi/lpfc/lpfc_init.c, lpfc_els.c, lpfc_hbadisc.c.
"""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import PCI, critical, warning

_QLA = rf"\bqla2xxx \[(?P<pci>{PCI})\]-[0-9a-f]{{4}}(?::\d{{1,4}})?: "
_LPFC = r"\blpfc .{0,40}"
_CODE = "disk.controller_error"
PATTERNS = (
    critical(
        _CODE,
        rf"{_QLA}.{{0,60}}(?:ISP System Error|Unrecoverable Hardware Error|adapter (?:is )?disabled|"
        r"over temperature event|MBX Command timeout|ISP error recovery failed|Adapter aborted all outstanding)",
    ),
    critical(
        _CODE,
        rf"{_LPFC}\d{{4}} .{{0,30}}(?:Adapter Hardware Error Data|maximum temperature exceeded|Adapter failed to init)",
    ),
    warning("disk.link_unsteady", rf"{_QLA}LOOP DOWN detected"),
    warning("disk.link_unsteady", rf"{_LPFC}Link Down Event"),
)
