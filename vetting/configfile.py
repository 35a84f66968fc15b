"""vetting.yaml as this process read it, and whether it still says so."""

from __future__ import annotations

from pathlib import Path

from pxe.order import digest
from vetting import config


class ConfigFile:
    """`config` is in force in this process until it ends. `digest` is the file's that says so; empty without a file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._seen = self._look()
        self.digest = digest(path)
        self.config = config.load(path)
        self._changed = ""

    def changed(self) -> str:
        """Why the file is not what is in force; empty where it is. Read again only when it was written to."""
        seen = self._look()
        if seen != self._seen:
            self._seen, self._changed = seen, self._compare()
        return self._changed

    def _compare(self) -> str:
        """A file that says the same in other words, or with other comments, is in force as it stands."""
        now = digest(self.path)
        if now == self.digest:
            return ""
        try:
            says = config.load(self.path)
        except config.ConfigError as error:
            return f"{self.path} is not in force, and can't be: {str(error).splitlines()[0]}"
        if says != self.config:
            return f"{self.path} was changed and is not in force"
        self.digest = now
        return ""

    def _look(self) -> tuple[int, ...]:
        try:
            facts = self.path.stat() if self.path else None
        except OSError:
            return (-1,)
        return (facts.st_ino, facts.st_size, facts.st_mtime_ns) if facts else ()
