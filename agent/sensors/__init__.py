"""Reads temperatures, fans, power and clocks, and stops the load near a critical limit."""
