"""The agent's calls to the orchestrator, and the data that it keeps until a call is answered."""
