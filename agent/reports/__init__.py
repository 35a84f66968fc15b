"""Makes a stage's report: checks, progress, partial reports."""
