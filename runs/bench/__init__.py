"""The bench (the orchestrator's machine and its port): its problems, its load, and whether it was fit to measure."""
