"""Reads the kernel command line, which the boot script wrote: the orchestrator's address, the run and the token."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agent.parsing import count


class BadCommandLine(ValueError):
    """The orchestrator's boot script did not write this command line. The text names the wrong word."""


@dataclass(frozen=True)
class Target:
    """`url` without a path. The token is kept out of repr, so that no traceback shows it."""

    url: str
    run: int
    token: str = field(repr=False)


def parse(text: str) -> Target:
    """Read `vetting.url`, `vetting.run` and `vetting.token`. If a word is given twice the last one counts, as in the
    kernel. Raises BadCommandLine."""
    words = dict(word.partition("=")[::2] for word in _split(text) if word.startswith("vetting."))
    missing = [name for name in ("vetting.url", "vetting.run", "vetting.token") if not words.get(name)]
    if missing:
        raise BadCommandLine(f"the kernel command line has no {', '.join(missing)}")
    if (run := count(words["vetting.run"])) is None:
        raise BadCommandLine(f"vetting.run={words['vetting.run']} is not a number")
    return Target(_url(words["vetting.url"]), run, words["vetting.token"])


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _url(text: str) -> str:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise BadCommandLine(f"vetting.url={text} has no valid port") from None
    if url.scheme != "http" or not url.hostname or url.username:
        raise BadCommandLine(f"vetting.url={text} is not of the form http://ADDRESS:PORT")
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"http://{host}:{port or 80}"
