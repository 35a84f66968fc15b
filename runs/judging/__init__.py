"""What the results of a run come to: required checks, sensor limits, comparisons with earlier runs and equal parts,
and the verdict."""
