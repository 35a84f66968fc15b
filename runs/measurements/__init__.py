"""The numbers that a host's sensors measure: storing them, and reading them back."""

from runs.measurements.storing import before, store

__all__ = ["before", "store"]
