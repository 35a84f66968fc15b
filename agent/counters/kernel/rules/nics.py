"""Network cards that stopped, and what their drivers log about heat, power and modules.

Wordings: net/sched/sch_generic.c; drivers/net/ethernet: intel/ (e1000e, igb, igc, ixgbe, i40e, ice), broadcom/ (tg3,
bnx2x, bnxt), mellanox/ (mlx4, mlx5: its health buffer has the severities of printk), realtek/r8169, emulex/benet,
chelsio/cxgb4, qlogic/ (qed, netxen, qlcnic); drivers/infiniband/hw/hfi1/chip.c; drivers/base/dd.c.
"""

from __future__ import annotations

from agent.counters.kernel.rules.pattern import NET, PCI, critical, probe_failed, warning

# bnx2x puts the port into brackets: `bnx2x: [bnx2x_fan_failure:2342(eth0)]Fan Failure …`.
_BNX2X = rf"(?:bnx2x: \[[^\[\]()]{{1,60}}\((?P<net>{NET})\)\].{{0,20}})?"
_DRIVERS = (
    "e1000e|igb|igc|ixgbe|i40e|ice|tg3|bnx2|bnx2x|bnxt_en|mlx4_core|mlx5_core|r8169|atlantic|be2net|qed|qede|cxgb4|sfc|"
    "ionic|hns3|enic"
)
# The drivers of a BMC's port on USB. It stops answering while the BMC restarts.
_OF_BMCS = "cdc_ether|cdc_ncm|rndis_host"
PATTERNS = (
    warning("nic.transmit_timeout", rf"\b(?:{_OF_BMCS}) \S{{1,32}} (?P<net>{NET}): NETDEV WATCHDOG"),
    warning("nic.transmit_timeout", rf"NETDEV WATCHDOG: (?P<net>{NET}) \((?:{_OF_BMCS})\)"),
    critical("nic.transmit_timeout", rf"(?P<net>{NET}): NETDEV WATCHDOG"),
    critical("nic.transmit_timeout", rf"NETDEV WATCHDOG: (?P<net>{NET}) \("),
    critical("nic.transmit_timeout", r"Detected (?:Tx |Hardware )Unit Hang"),
    critical("nic.transmit_timeout", rf"\b{PCI}.{{0,40}}\b(?:tx_timeout: VSI|TX timeout (?:detected|on queue))"),
    critical("nic.transmit_timeout", r"transmit timed out, resetting|: Reset adapter unexpectedly"),
    critical("nic.stopped", probe_failed(_DRIVERS)),
    # Intel's: the card's flash holds no usable firmware.
    critical("nic.stopped", r"Firmware recovery mode detected"),
    warning("nic.card", r"\b(?:ixgbe|i40e|ice) .{0,60}firmware error detected FWSM"),
    critical("nic.stopped", r"\b(?:ixgbe|ixgbevf|txgbe|fm10k) .{0,40}: Adapter removed\b"),
    critical("nic.stopped", r"\bbe2net .{0,60}Error detected in the adapter"),
    critical("nic.stopped", r"encountered fatal error, adapter (?:stopped|suspended)|\]HW error occurred \["),
    warning("nic.card", r"\bmlx5_core .{0,100}Health issue observed, .{0,60}severity\([4-7]\)"),
    critical(
        "nic.stopped",
        r"\bmlx5_core .{0,100}(?:Health issue observed, |PCI slot is unavailable|"
        r"timeout\. Will cause a leak of a command)",
    ),
    critical("nic.stopped", r"(?:has been|was) stopped because it (?:has )?over ?heated"),
    # netxen_nic and qlcnic.
    critical("nic.stopped", r"Device temperature \d+ degrees C exceeds maximum allowed"),
    warning("nic.card", r"Device temperature \d+ degrees C exceeds operating range"),
    critical("nic.stopped", r"\bhfi1 .{0,60}Critical temperature reached"),
    critical("nic.stopped", r"\bbnx2:? .{0,60}fw sync timeout, reset code"),
    # Its registers give only ones.
    critical("nic.stopped", r"\btg3 .{0,60}timed out, .{0,60}=ffffffff\b"),
    critical("nic.stopped", rf"{_BNX2X}Fan Failure on Network Controller"),
    critical("nic.stopped", r"\bPCIe link lost"),
    # Reads give only ones: the card has left the bus.
    critical("nic.stopped", r"\b(?:igb|igc): Failed to read reg 0x"),
    critical(
        "nic.stopped", r"\b(?:e1000e|igb|igc|ixgbe) .{0,60}: (?:Hardware Error\b|Error on hardware initialization)"
    ),
    critical("nic.stopped", r"\bixgbe .{0,60}Received ECC Err, initiating reset"),
    # An error of the card's memory or PCIe unit. Its link goes down and comes back, which is no fault of the cable.
    critical("nic.stopped", r"\bi40e .{0,60}: device will be reset$"),
    # After a reset the card does not come back.
    critical("nic.stopped", r"\b(?:i40e|ice) .{0,60}: (?:PF reset failed|.{0,40}\brebuild\b.{0,40}\bfailed)"),
    warning("nic.card", r"\bi40e .{0,60}: HMC error interrupt"),
    warning("nic.card", r"\bice .{0,60}error occurred on the device while loading the DDP package"),
    critical("nic.stopped", r"\btg3 .{0,60}DMA Status error"),
    critical(
        "nic.stopped",
        r"\bmlx4_core .{0,60}(?:timed out \(go bit not cleared\)|device is going to be reset)",
    ),
    # The firmware of the card does not answer. (qed_mcp.c, drivers/net/ethernet/sfc/mcdi.c)
    critical("nic.stopped", r"\[_?qed_mcp\w{0,40}:\d+\([^()]{0,40}\)\]The MFW failed to respond to command"),
    critical("nic.stopped", r"\bsfc .{0,60}MC command 0x[0-9a-f]+ inlen \d+ (?:mode \d+ )?timed out"),
    # The card's own link to the part that drives the cable.
    warning("nic.card", r"\b(?:e1000e|igb|ixgbe) .{0,60}: MDI Error"),
    # The firmware gave the card no addresses: a setting, or a worse fault of board or card.
    warning("nic.card", r"\[qed_probe:\d+\(\w{0,16}\)\]init pci failed"),
    # The card's firmware did not answer a command.
    warning("nic.card", r"\bbnxt_en .{0,60}(?:Error \(timeout: \d+\) msg|Firmware not responding, status)"),
    critical("nic.stopped", r"\bmlx[45]_core .{0,100}(?:Internal error detected|firmware internal error)"),
    critical(
        "nic.stopped",
        r"\bmlx5_core .{0,100}(?:device's health compromised|health recovery flow aborted|Fatal error \d+ detected)",
    ),
    critical(
        "nic.stopped",
        rf"{_BNX2X}(?:MC assert!|driver assert|FW failed to respond|FATAL HW block attention|HW block parity "
        "attention)",
    ),
    # The firmware starts again by itself. (bnxt.c; older kernels write "Firmware fatal reset event".)
    critical("nic.stopped", r"\bbnxt_en .{0,120}(?<!non-)fatal (?:condition|error|firmware reset|reset event)"),
    warning("nic.card", r"\bbnxt_en .{0,120}non-fatal (?:condition|error|firmware reset|reset event)"),
    critical(
        "nic.stopped", r"temperature has (?:gone above|crossed) the (?:critical|fatal|shutdown) thermal threshold"
    ),
    critical("nic.stopped", r"The (?:EEPROM|NVM) Checksum Is Not Valid"),
    warning("nic.card", r"\blink speed was downshifted because it overheated"),
    # A wire of the cable or of the socket is bad, so the link is slower than both ends support.
    # (drivers/net/phy/phy.c; e1000e, igb, igc)
    warning(
        "network.slow_link",
        r"Link is Up - [\w.]{1,12}/\w{1,12} \(downshifted\)|Link Speed was downgraded by SmartSpeed",
    ),
    warning("nic.card", r"Fan has stopped, replace the adapter"),
    warning("nic.card", r"insufficient power on the PCIe slot|High temperature on sensors with bit set"),
    warning("nic.card", r"temperature has (?:gone above|crossed) the \w{1,16} thermal threshold"),
    warning("nic.card", r"\b(?:r8169|r8125|rtl8169) .{0,40}PCI error \("),
    warning("nic.module", r"Port module event\[error\]|\bmodule \d+, Cable error"),
    warning("nic.module", rf"{_BNX2X}(?:Power fault on (?:SFP\+ module|Port \d))"),
    warning(
        "nic.module",
        r"(?:unsupported|unqualified) (?:Q?SFP\+?(?: or QSFP)? module|module type)|"
        r"module is incompatible with the device",
    ),
    warning("nic.module", r"module's power requirements exceed"),
)
