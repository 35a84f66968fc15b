"""Every finding code: its usual severity, who must act, and what to do. Data only, standard library only. The agent
makes findings with it (`agent.findings`), the orchestrator lists and explains them. No other code is valid."""

from __future__ import annotations

from agent.contract import stages
from agent.contract.finding_code import Acts, Code
from agent.contract.wire import Severity

_CRITICAL, _WARNING, _INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def _part(severity: Severity, title: str, advice: str) -> Code:
    return Code(severity, title, Acts.HARDWARE, advice)


def _bench(severity: Severity, title: str, advice: str) -> Code:
    return Code(severity, title, Acts.BENCH, advice)


def _spec(severity: Severity, title: str, advice: str) -> Code:
    return Code(severity, title, Acts.CONFIGURATION, advice)


_SHARED: dict[str, Code] = {
    # the host as a whole
    "system.lost": _part(
        _CRITICAL,
        "The host hung, reset or lost power",
        "Read the console and the BMC's log; suspect power, memory and board.",
    ),
    "system.stopped_by_watchdog": _part(
        _CRITICAL, "The BMC's watchdog stopped the host", "It hung: read the console; suspect CPU, memory and board."
    ),
    "system.overdue": _part(
        _CRITICAL, "A stage did not end in time", "Read the run's log: the host answered, so look at what it did last."
    ),
    "system.lockup": _part(_CRITICAL, "A core was locked up", "Suspect CPU or board; update the firmware first."),
    "system.kernel_oops": _part(
        _CRITICAL, "The kernel had an internal error", "Test memory and CPU longer; update the firmware."
    ),
    "system.hung_task": _part(
        _WARNING, "A program waited for minutes", "The run's log says what it waited for: most often a disk."
    ),
    "system.program_crashed": _part(
        _WARNING, "A test program crashed", "Suspect memory or CPU if another program crashes in the next run."
    ),
    "system.machine_check_logged": _part(
        _WARNING, "Machine checks were logged", "Read the run's log: the lines around it may name the part."
    ),
    "system.hardware_error": _part(
        _CRITICAL,
        "The firmware reported an error of unknown kind",
        "Read the BMC's log; only the maker's tools can decode the error.",
    ),
    "system.clock_unstable": _part(
        _WARNING,
        "The processors' clocks disagree (TSC)",
        "Update the firmware: reading the time is slow in guests. If it stays, suspect board or CPU.",
    ),
    "system.nmi": _part(
        _WARNING, "A hardware error interrupt (NMI) without a known cause", "Read the BMC's log for that time."
    ),
    "system.error_before_boot": _part(
        _WARNING, "An error from before this boot", "It may be the reason for the repair; watch whether it comes back."
    ),
    "system.part_gone": _part(_CRITICAL, "A part has disappeared", "Reseat it; check its cable, slot and power."),
    "system.controller_not_ready": _part(
        _WARNING,
        "A controller had not delivered its parts",
        "Vet it again. If it stays, read the run's log for its driver's words: update its firmware, or reseat it.",
    ),
    "system.out_of_memory": _bench(
        _WARNING, "The live system ran out of memory", "Raise reserve_percent of the stage in a profile of your own."
    ),
    "system.image_corrupt": _bench(
        _WARNING,
        "The live image can't be read correctly",
        "Test the memory longer; check the image on the bench and boot again.",
    ),
    "system.kernel_log_gap": _bench(
        _WARNING,
        "Kernel messages were lost",
        "Read the run's log around that time; set boot_files.extra_args: log_buf_len=16M and test again.",
    ),
    "bench.starved": _bench(
        _INFO,
        "The bench was short of CPU, or its port had no link",
        "The host was not measured: test it again when the bench has CPU to spare and a link.",
    ),
    # what is expected
    "spec.missing": _part(_CRITICAL, "An expected part is missing", "Reseat it; check its slot, cable and power."),
    "spec.less": _part(_CRITICAL, "Less than expected", "Reseat the part; compare it with what was ordered."),
    "spec.slower": _part(_CRITICAL, "Slower than expected", "Check slot, cable and firmware settings."),
    "spec.wrong_bus": _part(_CRITICAL, "On the wrong bus", "Move the part to the slot or port it belongs to."),
    "spec.replaced": _spec(_WARNING, "Replaced by an equivalent part", "Adopt it as expected if the repair was meant."),
    "spec.swapped": _spec(_WARNING, "Two modules have swapped slots", "Put them back, or adopt their present slots."),
    "spec.unexpected": _part(
        _WARNING,
        "A part that is not in the expected spec",
        "Remove it if it does not belong there; otherwise adopt it.",
    ),
    "spec.passthrough": _spec(
        _CRITICAL,
        "A setting that guests or passthrough need is off",
        "Switch it on in the setup: VT-x or SVM, VT-d or AMD-Vi (IOMMU), SR-IOV of the board and of the card.",
    ),
    "spec.setting": _spec(
        _WARNING,
        "A setting differs from the expected spec",
        "A new board or battery resets settings: set it again in the setup, or adopt what was found.",
    ),
    "spec.more": _spec(_WARNING, "More than expected", "Adopt what was found if it is right."),
    "spec.text": _spec(_INFO, "A name or version differs from the spec", "Adopt it, or ignore it."),
    "spec.link": _spec(
        _INFO,
        "The link of a port and `spare` in the spec do not agree",
        "Adopt it if the port stays so; otherwise plug its cable in or out.",
    ),
    "spec.pinned": _spec(_CRITICAL, "A pinned value differs", "Install what is pinned, or adopt what was found."),
    # CPU and heat
    "cpu.miscompare": _part(
        _CRITICAL, "A core calculated wrongly", "Rule out memory and voltage, then replace the CPU."
    ),
    "cpu.machine_check": _part(
        _CRITICAL, "Machine check", "Reseat or replace the CPU; check the memory of the bank that is named."
    ),
    "cpu.corrected_machine_check": _part(
        _WARNING, "Corrected machine check", "Watch it; replace the part if it comes back under load."
    ),
    "cpu.fault_reported": _part(_CRITICAL, "The BMC reports a fault of a CPU", "Reseat the CPU; check its power."),
    "cpu.offline": _part(_CRITICAL, "A core is offline", "Check the firmware's settings; reseat the CPU."),
    "thermal.hot": _part(_CRITICAL, "Too hot under load", "Check fans, airflow, heatsink and thermal paste."),
    "thermal.critical": _part(
        _CRITICAL, "Critical temperature, load stopped", "Check fan, heatsink and paste before the next power-on."
    ),
    "thermal.throttled": _part(_CRITICAL, "Throttled by heat", "Check fans, airflow, heatsink and thermal paste."),
    "thermal.rising": _part(_WARNING, "Still getting hotter at the end", "Check fans, airflow and the room."),
    "thermal.worse_than_before": _part(
        _CRITICAL, "Cooled less well than in the last good run", "Check heatsink, paste and the CPU's fan."
    ),
    "cpu.slower_than_before": _part(
        _CRITICAL, "Slower than in its last good run", "Check power supplies, cooling and firmware settings."
    ),
    "cpu.clock_below_before": _part(
        _WARNING,
        "Clock under load below that of its last good run",
        "Compare the power limits and the settings with those of that run; check cooling and supplies.",
    ),
    "cpu.power_below_before": _part(
        _WARNING,
        "Draws less power under load than in its last good run",
        "Compare the power limits in the setup; if they are the same, suspect the supplies or the board's regulators.",
    ),
    "cpu.slow_clock": _part(
        _CRITICAL, "Slower under load than its base clock", "Check power supplies, firmware settings and cooling."
    ),
    "sensor.temp_high": _part(_CRITICAL, "Temperature above its limit", "Check fans, airflow and heatsinks."),
    "sensor.temp_low": _part(_WARNING, "Temperature below its limit", "Suspect the sensor."),
    "sensor.fan_high": _part(_WARNING, "Fan faster than its limit", "Check airflow and the fan's control."),
    "sensor.fan_low": _part(_CRITICAL, "Fan below its limit", "Check the fan's plug; replace the fan."),
    "sensor.power_high": _part(_CRITICAL, "Power above its limit", "Check the supplies and what is plugged in."),
    "sensor.power_low": _part(_WARNING, "Power below its limit", "Suspect the sensor or an idle part."),
    "fan.stopped": _part(_CRITICAL, "A fan stands still", "Check the fan's plug; replace the fan."),
    "fan.missing": _part(_CRITICAL, "An expected fan is missing", "Insert it; check its plug."),
    "fan.redundancy_lost": _part(_WARNING, "Fans are not redundant", "Look for the fan that is slow or missing."),
    # memory
    "memory.miscompare": _part(
        _CRITICAL, "Memory returned wrong data", "Test the DIMMs one by one; replace the one that fails."
    ),
    "memory.uncorrected": _part(
        _CRITICAL, "Uncorrected memory error", "If the DIMM is new, reseat it and test again; otherwise replace it."
    ),
    "memory.corrected": _part(_WARNING, "Corrected memory errors", "Reseat the DIMM; replace it if they come back."),
    "memory.fault_reported": _part(
        _WARNING, "The BMC reports a fault of the memory", "Reseat the modules of that channel; check the event log."
    ),
    # buses
    "pcie.uncorrected": _part(_CRITICAL, "Uncorrected PCIe error", "Reseat the card; try another slot."),
    "pcie.corrected": _part(_WARNING, "Corrected PCIe errors", "Reseat the card; check riser and cable."),
    "pcie.link_reduced": _part(
        _CRITICAL, "PCIe link has fewer lanes than both ends support", "Reseat the card: it may not be fully seated."
    ),
    "pcie.link_slow": _part(
        _CRITICAL, "PCIe link slower than both ends support", "Reseat the card; check riser and cable."
    ),
    "pcie.link_limited": _part(
        _WARNING, "PCIe link limited by firmware or kernel", "Check the slot's speed in the firmware's setup."
    ),
    "usb.link_slow": _part(_WARNING, "USB device runs below its speed", "Check plug and cable; try another connector."),
    "disk.link_slow": _part(_CRITICAL, "Link to the drive slower than both ends support", "Check cable and backplane."),
    # disks: reported by the drive
    "smart.failing": _part(_CRITICAL, "The drive says that it is failing", "Replace the drive."),
    "smart.prefail": _part(_CRITICAL, "An attribute is at its failure threshold", "Replace the drive."),
    "smart.counts_reset": _part(
        _WARNING,
        "The drive's counts were set back",
        "Ask the seller or repairer of the drive. Its counts say nothing of the time before.",
    ),
    "smart.past_prefail": _part(_WARNING, "An attribute was at its threshold before", "Watch it; check cooling."),
    "smart.pending_sectors": _part(_CRITICAL, "Sectors that wait for reallocation", "Replace the drive."),
    "smart.uncorrectable_sectors": _part(_CRITICAL, "Sectors that cannot be read", "Replace the drive."),
    "smart.reallocated_sectors": _part(_CRITICAL, "Reallocated sectors", "Replace the drive if the number grows."),
    "smart.retired_blocks": _part(
        _WARNING, "Flash blocks that were retired", "Replace the drive if the number grows fast."
    ),
    "smart.reported_uncorrectable": _part(_CRITICAL, "Reads that the drive could not correct", "Replace the drive."),
    "smart.command_timeouts": _part(_WARNING, "Commands that timed out", "Check power and cable before the drive."),
    "smart.crc_errors": _part(
        _WARNING, "Transfer errors on the link", "Replace the cable, or reseat the drive in the backplane."
    ),
    "smart.grown_defects": _part(_CRITICAL, "Grown defects", "Replace the drive if the number grows."),
    "smart.uncorrected_errors": _part(_CRITICAL, "Uncorrected errors in the drive's log", "Replace the drive."),
    "smart.background_scan": _part(_CRITICAL, "Places that the drive's own scan can't read", "Replace the drive."),
    "smart.recent_read_errors": _part(_CRITICAL, "Reads that failed, in the drive's error log", "Replace the drive."),
    "smart.end_to_end": _part(_CRITICAL, "Errors on the data path inside the drive", "Replace the drive."),
    "smart.spin_retries": _part(_WARNING, "Starts of the spindle that failed", "Check power first; replace the drive."),
    "smart.helium": _part(_CRITICAL, "The drive loses helium", "Replace the drive."),
    "smart.temperature": _part(_WARNING, "The drive is too warm or too cold", "Check fans and airflow."),
    "smart.enclosure": _part(_WARNING, "The drive's enclosure is degraded", "Check the enclosure's fans and supplies."),
    "smart.drive_warns": _part(
        _WARNING, "The drive warns of a condition", "Read the drive's message: it names the cause."
    ),
    "smart.critical_warning": _part(_CRITICAL, "NVMe critical warning", "Replace the drive; check its cooling first."),
    "smart.media_errors": _part(_CRITICAL, "NVMe media errors", "Replace the drive."),
    "smart.write_protected": _part(_CRITICAL, "The drive has made itself read only", "Replace the drive."),
    "smart.wear": _part(_CRITICAL, "Worn out", "Replace the drive."),
    "smart.spare": _part(_CRITICAL, "Spare blocks used up", "Replace the drive."),
    "smart.raid_drive_gone": _part(
        _CRITICAL, "Fewer drives behind a RAID volume", "Look for the drive that is missing or dead."
    ),
    "smart.self_test_failed": _part(_CRITICAL, "The drive's self-test failed", "Replace the drive."),
    "smart.error_log": _part(
        _WARNING,
        "Entries in the drive's error log",
        "Entries from before the repair are harmless. If new ones come, check cable and power, then replace the drive.",
    ),
    # disks: seen by the stages and by the kernel
    "storage.read_error": _part(_CRITICAL, "Sectors that cannot be read", "Replace the drive."),
    "storage.hesitates": _part(_WARNING, "A read took seconds", "Watch the drive; replace it if it happens again."),
    "storage.write_error": _part(_CRITICAL, "Sectors that cannot be written", "Replace the drive."),
    "storage.corruption": _part(
        _CRITICAL,
        "Data read back differs from what was written",
        "Replace the drive; check HBA, cable and memory, too.",
    ),
    "storage.patterns_left": _bench(
        _WARNING, "Test patterns were left on a disk", "Zero these places, or override the wipe probe in the next run."
    ),
    "storage.slow": _part(
        _CRITICAL, "Slower than any sound drive of its kind", "Check link speed, cable and backplane."
    ),
    "storage.slower_than_before": _part(_CRITICAL, "Slower than in its last good run", "Check link speed and cooling."),
    "storage.slower_than_peers": _part(_WARNING, "Slower than others of its model", "Check link, cable, firmware."),
    "storage.slow_random": _part(
        _CRITICAL, "Random reads slower than any sound drive's", "Check link, then the drive."
    ),
    "storage.slow_writing": _part(
        _CRITICAL, "Writes slower than any sound drive of its kind", "Check link and cooling first."
    ),
    "disk.medium_error": _part(_CRITICAL, "Medium error", "Replace the drive."),
    "disk.io_error": _part(_CRITICAL, "The kernel saw an I/O error", "Check cable and power, then the drive."),
    "disk.link_error": _part(_CRITICAL, "The link to the drive was reset", "Check cable, backplane and power."),
    "disk.link_unsteady": _part(_WARNING, "The link to the drive comes and goes", "Check cable, backplane and fabric."),
    "disk.controller_error": _part(_CRITICAL, "The drive's controller failed", "Reseat it; update its firmware."),
    "disk.locked": _part(
        _WARNING, "The drive is locked and refuses access", "Unlock it with its password, or reset it by PSID."
    ),
    "disk.reserved": _part(
        _WARNING,
        "Another host has reserved the drive",
        "Disconnect that host, or remove the reservation (sg_persist --out --clear, nvme resv-release).",
    ),
    "disk.unwritten": _part(
        _WARNING,
        "The drive gives no data where nothing was written",
        "Switch that off (nvme set-feature -f 5, bit 16: DULBE), or write the whole namespace.",
    ),
    "disk.fault_reported": _part(_CRITICAL, "The BMC reports a fault of a drive", "Check the drive in that slot."),
    # network
    "network.no_link": _part(_CRITICAL, "No link", "Check cable, module, switch port."),
    "network.slow_link": _part(_CRITICAL, "Negotiated less than expected", "Replace the cable; check the switch port."),
    "network.half_duplex": _part(_CRITICAL, "Half duplex", "Replace the cable; check the switch port's settings."),
    "network.slow": _part(_CRITICAL, "Throughput below the limit", "Replace cable or module; try another port."),
    "network.loss": _part(_CRITICAL, "Packets are lost", "Replace cable or module; try another port."),
    "network.retransmits": _part(_WARNING, "Many retransmits", "Check cable, module and the switch's counters."),
    "network.other_port": _part(
        _CRITICAL, "Plugged into another switch port than expected", "Move the cable, or correct the expected spec."
    ),
    "nic.errors": _part(_WARNING, "Errors counted by the network card", "Check cable and module, then the card."),
    "nic.link_flap": _part(_CRITICAL, "The link went down and came back", "Replace the cable or module."),
    "nic.transmit_timeout": _part(_CRITICAL, "The card stopped sending", "Reseat the card; update its firmware."),
    "nic.stopped": _part(
        _CRITICAL, "The card stopped because of heat or a failure", "Check airflow at the card; replace it."
    ),
    "nic.card": _part(
        _WARNING, "The card reports heat, low power or a bad fan", "Check its fan, the airflow and the slot's power."
    ),
    "nic.optics": _part(
        _CRITICAL,
        "An optical module is beyond its own limits",
        "Received light: clean both ends of the fibre, check the other end's module. Else replace the module.",
    ),
    "nic.module": _part(_WARNING, "The card reports a bad module", "Reseat or replace the module or cable."),
    # GPU
    "gpu.missing": _part(_CRITICAL, "An expected GPU is missing", "Reseat it; check its power plugs."),
    "gpu.link_width": _part(
        _CRITICAL, "PCIe link has fewer lanes than the GPU supports", "Reseat the GPU and its riser."
    ),
    "gpu.ecc": _part(_CRITICAL, "Uncorrected errors in GPU memory", "Replace the GPU."),
    "gpu.remap_failed": _part(_CRITICAL, "Memory rows could not be remapped", "Replace the GPU."),
    "gpu.diagnostic": _part(
        _CRITICAL, "NVIDIA's diagnostic found a fault", "Read the test's message; reseat the GPU, then replace it."
    ),
    "gpu.miscompare": _part(_CRITICAL, "The GPU calculated wrongly", "Rule out power and heat, then replace the GPU."),
    "gpu.throttled": _part(_CRITICAL, "The GPU slowed down under load", "Check its cooling and power plugs."),
    "gpu.too_hot": _part(_CRITICAL, "The GPU is at its slowdown temperature", "Check fans, airflow and heatsink."),
    "gpu.fabric": _part(_CRITICAL, "The GPU's NVLink fabric is not healthy", "Reset the GPUs; check the NVSwitches."),
    "gpu.remap_pending": _part(
        _WARNING, "Memory rows wait to be remapped", "Reset the GPU; replace it if more rows fail."
    ),
    "gpu.ecc_past": _part(
        _WARNING, "Earlier uncorrected errors of the GPU's memory", "Watch it; replace it if they grow."
    ),
    "gpu.rows_remapped": _part(_WARNING, "Memory rows were remapped", "Watch it; replace it if they grow."),
    "gpu.pages_retired": _part(_WARNING, "Memory pages were retired", "Watch it; replace it if they grow."),
    "gpu.repair_pending": _part(_WARNING, "A repair needs a reset of the GPU", "Reset the GPU, then test it again."),
    "gpu.memory_worn_out": _part(_CRITICAL, "The GPU reports that its memory is worn out", "Replace the GPU."),
    "gpu.inforom": _part(
        _WARNING,
        "The GPU's record of its faults (infoROM) is corrupt",
        "Update its driver and test again; else replace it.",
    ),
    "gpu.lost": _part(_CRITICAL, "The driver lost the GPU", "Reseat the GPU; check its riser and power plugs."),
    "gpu.needs_reset": _part(
        _CRITICAL, "The GPU needs a reset after a fault", "Reset it and test again; replace it if the fault returns."
    ),
    "gpu.no_power": _part(_CRITICAL, "The GPU's power plug is missing", "Plug in its power cables."),
    "gpu.driver_error": _part(_CRITICAL, "The driver had to reset the GPU", "Reseat the GPU; check its power plugs."),
    "gpu.xid": _part(_CRITICAL, "The driver reported an Xid error", "Reseat the GPU; look the number up."),
    # power and BMC
    "psu.missing": _part(_CRITICAL, "An expected power supply is missing", "Insert it; check its mains lead."),
    "psu.failed": _part(_CRITICAL, "A power supply reports a failure", "Check its mains lead; replace it."),
    "psu.redundancy_lost": _part(_CRITICAL, "Power supplies are not redundant", "Check each supply and mains lead."),
    "psu.share": _part(
        _WARNING,
        "The supplies do not share the load",
        "See whether the BMC lets one supply sleep (hot spare). If not, check its mains lead, then replace it.",
    ),
    "psu.predicted_failure": _part(_WARNING, "A power supply predicts its failure", "Order a replacement."),
    "psu.voltage": _part(_CRITICAL, "A voltage is outside its limits", "Replace the supply; suspect the board next."),
    "bmc.log_full": _part(_WARNING, "The BMC's event log is full", "Save it, then clear it: nothing new is recorded."),
    "bmc.event": _part(_WARNING, "The BMC logged an event", "Read the BMC's event log."),
    # firmware
    "firmware.twins_differ": _spec(
        _INFO, "Firmware differs from equal parts of this host", "Bring all of them to the same version."
    ),
}

CODES: dict[str, Code] = {
    **_SHARED,
    **{code: one for spec in stages.SPECS.values() for code, one in spec.new_codes.items()},
}
