"""What the login pages offer."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.contrib.auth import get_user_model

from runs.wording import remedies

register = template.Library()


@register.inclusion_tag("_provider_button.html", takes_context=True)
def provider_button(context: dict[str, Any]) -> dict[str, Any]:
    oidc = settings.VETTING.login.oidc
    return {"button": oidc.button if oidc.is_on else "", "next": context.get("next", "")}


@register.simple_tag(takes_context=True)
def shows_local_form(context: dict[str, Any]) -> bool:
    """Always after a wrong password, and at `/login/?local`."""
    request = context["request"]
    return not settings.VETTING.login.hide_local or "local" in request.GET or request.method == "POST"


@register.simple_tag
def first_account() -> str:
    """The command that makes the first account, while there is none."""
    return "" if get_user_model().objects.exists() else remedies.command("admin_user")
