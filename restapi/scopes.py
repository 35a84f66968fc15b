"""What a token may be used for. A token never does more than its account may do."""

from __future__ import annotations

from dataclasses import dataclass

from runs.desk import actions
from runs.desk.access import SEE


@dataclass(frozen=True)
class Scope:
    """`permissions` are those that the account needs, too."""

    name: str
    title: str
    permissions: tuple[str, ...]


READ = Scope("read", "Read hosts, runs, findings and files", SEE)
START = Scope("start", "Start runs", (*SEE, "runs.start_run"))
CANCEL = Scope("cancel", "Cancel runs", (*SEE, actions.CANCEL.permission))
RELEASE = Scope("release", "Release held hosts", (*SEE, actions.RELEASE.permission))
RETRY = Scope("retry", "Retry stages", (*SEE, actions.RETRY.permission))
ADOPT = Scope("adopt", "Adopt what a run found", (*SEE, "runs.adopt_run"))
TAGS = Scope("tags", "Set the tags of hosts", (*SEE, "hosts.change_host"))
POWER = Scope("power", "Turn hosts off and on", (*SEE, "hosts.power_host"))

SCOPES = (READ, START, CANCEL, RELEASE, RETRY, ADOPT, TAGS, POWER)
BY_NAME = {scope.name: scope for scope in SCOPES}
