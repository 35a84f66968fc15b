"""Builds the live image: apt sources, mkosi, archive, manifest. Standard library only, Python 3.11."""


class BuildError(Exception):
    """The image can't be built; the message says what is missing and who must act."""
