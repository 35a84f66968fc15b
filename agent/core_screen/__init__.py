"""A program of its own (`python3 -m agent.core_screen`) that looks for cores which calculate wrongly in silence: each
core does the same seeded work, and the answers must be the known ones or those of the other cores."""
