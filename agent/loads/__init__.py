"""The tools that load the host: one file each, with a function that runs the tool and one that parses its output."""
