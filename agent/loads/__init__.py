"""The tools that work the host: one file each, with a function that runs it and one that parses what it said."""
