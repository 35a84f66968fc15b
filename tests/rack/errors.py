"""Who must act: the author of the machine file, or the person who looks after the bench."""


class BadMachineFile(Exception):
    """The machine file says something that the rack does not know. Exit status 2."""


class RackBroken(Exception):
    """The rack itself failed: a missing tool, an orchestrator that does not start. Exit status 3."""
