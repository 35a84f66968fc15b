"""Files of runs: logs, their search, retention, and writing a file whole."""
