"""Reads the kernel's log and finds what it says about the hardware."""
