"""What the host is made of: one file per tool or sysfs subtree. A probe is a function that runs the tool and one that
parses its text; parsers are pure and raise only `ParseError`."""
