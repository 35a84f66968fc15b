"""Proves that the tester finds faults: injects faults that the stages' own code must find."""
