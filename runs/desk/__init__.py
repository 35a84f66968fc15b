"""The operator's pages and terminal commands."""
