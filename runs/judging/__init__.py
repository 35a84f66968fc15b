"""Judging results: required checks, sensor limits, comparisons with earlier runs and with peers, and the verdict."""
