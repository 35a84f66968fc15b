"""Error counters that are read around every stage, and which component each finding blames."""
