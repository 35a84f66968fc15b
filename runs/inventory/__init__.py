"""Adds runs to the inventory's pages in the administration: what these pages show of runs, and the actions on runs."""
