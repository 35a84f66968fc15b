"""Proof that the tester finds faults: faults made on purpose, which the stages' own code must find."""
