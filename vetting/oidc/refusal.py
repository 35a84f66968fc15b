"""Why somebody is not logged in."""

from __future__ import annotations


class LoginRefused(Exception):
    """`told` is the sentence for the person at the browser, `detail` is for the log. Neither holds a secret."""

    def __init__(self, told: str, detail: str) -> None:
        super().__init__(detail)
        self.told, self.detail = told, detail


class ProviderProblem(Exception):
    """The identity provider can't be used as it is configured; the message says why."""
