from __future__ import annotations

import pytest

from notifications import routing
from notifications.routing import About
from vetting.config import Route

ALL = Route(to=["phone"])
CRITICAL = Route(severities=["critical"], to=["phone", "mail"])
HOLDS = Route(kinds=["HoldingOpened"], to=["mail"])
QUIET_DONE = Route(kinds=["RunCompleted"], severities=["info"], to=["log"])


@pytest.mark.parametrize(
    ("routes", "kind", "severity", "expected"),
    [
        ([], "StageFailed", "critical", []),
        ([ALL], "RunCompleted", "info", ["phone"]),
        ([CRITICAL], "RunCompleted", "info", []),
        ([CRITICAL], "SpecMismatch", "critical", ["phone", "mail"]),
        ([HOLDS], "StageFailed", "critical", []),
        ([HOLDS, CRITICAL], "HoldingOpened", "critical", ["mail", "phone"]),
        ([QUIET_DONE, ALL], "RunCompleted", "info", ["log", "phone"]),
    ],
)
def test_a_message_goes_to_each_target_once_in_the_order_of_the_routes(
    routes: list[Route], kind: str, severity: str, expected: list[str]
) -> None:
    assert routing.targets(routes, kind, severity) == expected


def test_a_route_with_tags_takes_hosts_that_have_one_of_them() -> None:
    routes = [Route(tags=["prod", "rack3"], to=["ops"]), Route(tags=["lab"], hosts=["pve-*"], to=["lab"])]
    told = {
        name: routing.targets(routes, "StageFailed", "critical", About(name, frozenset(tags)))
        for name, tags in {"pve-1": ["rack3", "lab"], "pve-2": ["rack33"], "nas": ["lab"], "pve-4": []}.items()
    }
    assert told == {"pve-1": ["ops", "lab"], "pve-2": [], "nas": [], "pve-4": []}
