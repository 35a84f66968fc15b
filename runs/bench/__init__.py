"""This machine, which measures the hosts: what is wrong with it, its load, and whether it was fit to measure."""
