"""System checks of the configuration for messages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def targets_have_their_secrets(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"notification target {target.name}: the environment has no {variable}",
            hint="Set it in /etc/vetting/secrets.env (or .env), or do not name it in the target.",
            id="notifications.E001",
        )
        for target in settings.VETTING.notifications.targets
        for variable in target.secrets
        if not settings.TARGET_SECRETS.get(variable)
    ]


@register()
def targets_are_routed(**_: Any) -> list[CheckMessage]:
    wanted = settings.VETTING.notifications
    used = {name for route in wanted.routes for name in route.to}
    return [
        Warning(
            f"notification target {target.name} is in no route and gets no messages",
            hint=f"Add a route to vetting.yaml, e.g. {{to: [{target.name}]}}.",
            id="notifications.W001",
        )
        for target in wanted.targets
        if target.name not in used
    ]
