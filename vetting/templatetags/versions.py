"""Which version of Vetting this is, for the foot of every page."""

from __future__ import annotations

from django import template

from vetting import version

register = template.Library()


@register.simple_tag
def version_sentence() -> str:
    return version.sentence()
