"""What more than one stage does with the hardware: loads that verify their results, and what is watched meanwhile."""
