"""The baseboard management controller of a virtual machine: its sensors, its event log, and how QEMU talks to
it.

QEMU's own simulator (ipmi-bmc-sim) cannot be told from outside that a power supply has failed or what a
sensor reads; its ipmi-bmc-extern takes a controller of one's own, which this is.
"""
