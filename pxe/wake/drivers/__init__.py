"""One file for each way to wake a host."""
