"""The permissions that each address and action needs. A test requests all of them as every role; it fails for one that
is missing here or answers differently. scripts/write_roles.py writes docs/security.md from this."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.admin.permissions import EXPORT, IMPORT
from restapi import scopes
from runs.desk import actions
from runs.desk.access import SEE

Asked = tuple[str, ...] | str
"""Permissions, all of which are needed; or one of the words below."""

ANYBODY = "nothing"
TOKEN = "the token of the run"
METRICS_TOKEN = "the token of VETTING_METRICS_TOKEN"
API_TOKEN = "an API token"
LOGIN = "a login"
STAFF = "staff status"
NOBODY = "nobody may"
NOT_OFFERED = "not offered"
"""405 for everybody."""


@dataclass(frozen=True)
class Right:
    """What GET and POST need."""

    get: Asked
    post: Asked = NOT_OFFERED


_SEEN = Right(SEE)
_LOOKED_AT = (
    "dashboard", "dashboard-parts", "worker-warning", "host", "host-parts", "compare", "run", "run-parts", "series",
    "log", "log-page", "log-lines", "history-rows", "report", "report-json", "export", "artifact", "spec",
    "view-on-site",
)  # fmt: skip

PAGES: dict[str, Right] = {
    **dict.fromkeys(_LOOKED_AT, _SEEN),
    "power": Right(NOT_OFFERED, (*SEE, "hosts.power_host")),
    # As adopting does, which enters the MACs that a run found.
    "newcomers": Right(SEE, (*SEE, "runs.adopt_run")),
    "register-mac": Right(NOT_OFFERED, (*SEE, "runs.adopt_run")),
    "start": Right(NOT_OFFERED, (*SEE, "runs.start_run")),
    "hold-key": Right(NOT_OFFERED, (*SEE, "runs.take_hold_key")),
    "new-key": Right(NOT_OFFERED, (*SEE, "runs.take_hold_key")),
    "photo": _SEEN,
    "add-photo": Right(NOT_OFFERED, (*SEE, "runs.report_run")),
    "remove-photo": Right(NOT_OFFERED, (*SEE, "runs.report_run")),
    "report-again": Right(NOT_OFFERED, (*SEE, "runs.report_run")),
    **dict.fromkeys(("adopt", "not-there"), Right((*SEE, "runs.adopt_run"), (*SEE, "runs.adopt_run"))),
    **{f"act {action.name}": Right((*SEE, action.permission), (*SEE, action.permission)) for action in actions.ACTIONS},
    "setup": Right((*SEE, "hosts.add_host"), (*SEE, "hosts.add_host")),
    "events": _SEEN,
    "login": Right(ANYBODY, ANYBODY),
    "login-provider": Right(ANYBODY),
    "login-provider-back": Right(ANYBODY),
    "logout": Right(NOT_OFFERED, ANYBODY),
    "healthz": Right(ANYBODY, ANYBODY),
    "livez": Right(ANYBODY, ANYBODY),
    "metrics": Right(METRICS_TOKEN),
    "metrics-targets": Right(METRICS_TOKEN),
    "ipxe-script": Right(ANYBODY),
    "agent-call": Right(NOT_OFFERED, TOKEN),
    "rest:openapi": _SEEN,
}
"""By the name of the address."""

_READ_BY_TOKEN = (
    "hosts", "host", "host-profiles", "runs", "run", "findings", "parts", "measurements", "differences", "profiles",
    "profile", "files", "log", "export", "file",
)  # fmt: skip
_DONE_BY_TOKEN = (scopes.START, scopes.CANCEL, scopes.RELEASE, scopes.RETRY, scopes.ADOPT, scopes.TAGS, scopes.POWER)

API: dict[str, Right] = {
    **{f"rest:{name}": Right(scopes.READ.permissions) for name in _READ_BY_TOKEN},
    **{f"rest:{scope.name}": Right(NOT_OFFERED, scope.permissions) for scope in _DONE_BY_TOKEN},
}
"""The REST API: what the account of the token needs, in addition to the scope of the token."""


def without_token(right: Right) -> Right:
    """What an address of the REST API asks for first."""
    return Right(*(NOT_OFFERED if asked == NOT_OFFERED else API_TOKEN for asked in (right.get, right.post)))


def _model(name: str, add: bool = True, change: bool = True, delete: bool = True) -> dict[str, Right]:
    """Django's own pages of a model. False: our administration offers this to nobody."""
    app, model = name.split(".")
    may = {verb: (f"{app}.{verb}_{model}",) for verb in ("view", "add", "change", "delete")}
    added = may["add"] if add else NOBODY
    deleted = may["delete"] if delete else NOBODY
    return {
        f"admin:{app}_{model}_changelist": Right(may["view"], may["view"]),
        f"admin:{app}_{model}_history": Right(may["view"], may["view"]),
        f"admin:{app}_{model}_add": Right(added, added),
        f"admin:{app}_{model}_change": Right(may["view"], may["change"] if change else NOBODY),
        f"admin:{app}_{model}_delete": Right(deleted, deleted),
    }


_USER_CHANGE = ("auth.change_user",)

ADMINISTRATION: dict[str, Right] = {
    "admin:index": Right(STAFF, STAFF),
    "admin:login": Right(ANYBODY, ANYBODY),
    "admin:logout": Right(NOT_OFFERED, ANYBODY),
    "admin:password_change": Right(STAFF, STAFF),
    "admin:password_change_done": Right(STAFF),
    "admin:autocomplete": Right(NOBODY),
    "admin:jsi18n": Right(STAFF),
    "admin:view_on_site": Right(STAFF, STAFF),
    "admin:app_list": Right(STAFF, STAFF),
    **_model("hosts.host"),
    "admin:hosts_host_check_spec": Right(NOT_OFFERED, SEE),
    "admin:hosts_host_import": Right(IMPORT, IMPORT),
    "admin:hosts_host_process_import": Right(NOT_OFFERED, IMPORT),
    "admin:hosts_host_export": Right(EXPORT, EXPORT),
    **_model("runs.run", add=False, change=False, delete=False),
    **_model("runs.job", add=False, change=False),
    **_model("notifications.delivery", add=False, change=False, delete=False),
    **_model("restapi.apitoken", change=False),
    "admin:notifications_delivery_targets": Right(
        ("notifications.view_delivery",), ("notifications.view_delivery", "notifications.send_delivery")
    ),
    **_model("auth.user"),
    "admin:auth_user_add": Right(("auth.add_user", "auth.change_user"), ("auth.add_user", "auth.change_user")),
    "admin:auth_user_password_change": Right(_USER_CHANGE, _USER_CHANGE),
    **_model("auth.group"),
    **_model("axes.accessattempt", add=False),
    **_model("axes.accesslog", add=False),
    **_model("axes.accessfailurelog", add=False),
}

_DELETE = "delete_selected"
ACTIONS: dict[str, dict[str, Asked]] = {
    "hosts.host": {
        "start_vetting": ("runs.start_run",),
        "cancel_vetting": ("runs.cancel_run",),
        "release_hold": ("runs.release_run",),
        "adopt": ("runs.adopt_run",),
        "set_profile": ("hosts.change_host",),
        "enable": ("hosts.change_host",),
        "disable": ("hosts.change_host",),
        "export_admin_action": EXPORT,
        _DELETE: ("hosts.delete_host",),
    },
    "runs.run": {_DELETE: NOBODY},
    "runs.job": {_DELETE: ("runs.delete_job",)},
    "notifications.delivery": {"send_again": ("notifications.send_delivery",), _DELETE: NOBODY},
    "restapi.apitoken": {_DELETE: ("restapi.delete_apitoken",)},
    "auth.user": {_DELETE: ("auth.delete_user",)},
    "auth.group": {_DELETE: ("auth.delete_group",)},
    "axes.accessattempt": {_DELETE: ("axes.delete_accessattempt",)},
    "axes.accesslog": {_DELETE: ("axes.delete_accesslog",)},
    "axes.accessfailurelog": {_DELETE: ("axes.delete_accessfailurelog",)},
}
"""What actions of the administration's lists need, in addition to the permission to see the list."""
