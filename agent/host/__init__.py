"""The machine that the agent runs on: its identity, clock, power, tools and the hold."""
