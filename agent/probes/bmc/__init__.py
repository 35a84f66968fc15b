"""The BMC: its sensors, its event log, and what their words mean."""
