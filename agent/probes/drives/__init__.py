"""Disks and drives, what holds them, and the RAID controllers in front of them."""
