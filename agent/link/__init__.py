"""The agent's calls to the orchestrator, and what it keeps until they are answered."""
