"""How a stage makes its report: checks, progress, partial reports."""
