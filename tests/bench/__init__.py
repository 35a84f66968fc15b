"""Benchmarks: figures for docs/benchmarks.md, measured side by side with their limit in one run. Not tests."""
