"""Temperatures, fans, power and clocks: reading them, and stopping the load near a critical limit."""
