"""The kernel's log: reading it, and telling what it says about the hardware."""
