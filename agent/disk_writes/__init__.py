"""Decides whether a disk may be written, finds what a disk carries, and holds the only code that opens a disk for
writing."""
