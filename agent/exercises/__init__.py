"""Work on the hardware that more than one stage does: loads that verify their results, and what is watched
meanwhile."""
