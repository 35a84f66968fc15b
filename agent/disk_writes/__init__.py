"""Whether a disk may be written, what a disk carries, and the one place that opens a disk for writing."""
