from __future__ import annotations

import pytest

from notifications import routing
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
