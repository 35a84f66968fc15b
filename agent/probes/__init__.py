"""What the host is made of: one folder per kind of hardware, one file per tool or sysfs subtree. A probe has a
function that runs the tool and one that parses its text. Parsers do no I/O and raise only `ParseError`."""
