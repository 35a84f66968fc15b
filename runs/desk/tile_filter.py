"""The filter of the dashboard. It is part of the URL, so that a view can be bookmarked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import QueryDict

from hosts.models import Health, Host, HostMac
from runs.desk.request_numbers import whole_number

GROUPS = (("attention", "Needs you"), ("running", "In progress"), ("rest", "All others"))
HEALTHS = tuple(Health.choices)
_LONGEST_TEXT = 100


@dataclass(frozen=True)
class TileFilter:
    """Each text that is not empty narrows what is shown. `text` matches part of a name or of a MAC address. `page`
    counts from 1."""

    text: str = ""
    group: str = ""
    health: str = ""
    profile: str = ""
    page: int = 1

    def __bool__(self) -> bool:
        return bool(self.text or self.group or self.health or self.profile)

    def hosts(self) -> QuerySet[Host]:
        hosts = Host.objects.all()
        if self.text:
            mac = self.text.lower().replace("-", ":")
            with_mac = HostMac.objects.filter(mac__contains=mac).values("host")
            hosts = hosts.filter(Q(name__icontains=self.text) | Q(pk__in=with_mac))
        if self.health:
            hosts = hosts.filter(health=self.health)
        return hosts.filter(profile_name=self.profile) if self.profile else hosts

    def address(self, **changed: str) -> str:
        """The URL query of this filter, with these fields changed: `?q=pve&show=running`. Unless it names another page,
        a changed filter begins with its first."""
        page = {"page": str(self.page)} if self.page > 1 and not changed else {}
        asked = {"q": self.text, "show": self.group, "health": self.health, "profile": self.profile} | page | changed
        given = {name: value for name, value in asked.items() if value}
        return f"?{urlencode(given)}" if given else "?"


def asked_for(query: QueryDict) -> TileFilter:
    """Read the filter from a URL. Impossible values are ignored."""
    return TileFilter(
        text=query.get("q", "").strip()[:_LONGEST_TEXT],
        group=_one_of(query.get("show", ""), [name for name, _ in GROUPS]),
        health=_one_of(query.get("health", ""), [name for name, _ in HEALTHS]),
        profile=query.get("profile", "")[:_LONGEST_TEXT],
        page=max(1, whole_number(query.get("page", "")) or 1),
    )


def _one_of(value: str, allowed: Sequence[str]) -> str:
    return value if value in allowed else ""
