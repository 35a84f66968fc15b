"""Files of runs: logs, searching them, and writing a file whole."""
