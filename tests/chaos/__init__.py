"""Campaigns of faults against a real orchestrator with a fleet of real agents on scripted machines: `make chaos`."""
