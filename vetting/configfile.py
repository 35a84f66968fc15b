"""vetting.yaml as this process read it, and whether the file has changed since."""

from __future__ import annotations

from pathlib import Path

from pxe.order import digest
from vetting import config


class ConfigFile:
    """`config` is in force until this process ends. `digest` is the hash of the file it came from; empty without a
    file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._seen = self._look()
        self.digest = digest(path)
        self.config = config.load(path)
        self._changed = ""

    def changed(self) -> str:
        """Why the file differs from the configuration in force; empty if it does not. The file is read again only after
        it was written."""
        seen = self._look()
        if seen != self._seen:
            self._seen, self._changed = seen, self._compare()
        return self._changed

    def _compare(self) -> str:
        """Compare the values: a file with the same values and other comments or notation counts as unchanged."""
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
