"""What the login pages offer."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings

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
