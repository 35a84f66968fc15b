"""The desk's own process: `python -m tests.rack.desk_process`, with the orchestrator's environment. See
desk.py."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "vetting.settings"
django.setup()

from django.core.exceptions import ObjectDoesNotExist, ValidationError  # noqa: E402
from django.db import OperationalError, connection  # noqa: E402

from hosts.expectations import ExpectationError  # noqa: E402
from runs.machine import NotAllowed  # noqa: E402
from runs.profiles.load import ProfileError  # noqa: E402
from runs.transition import Refused  # noqa: E402
from tests.rack.desk_work import WORK  # noqa: E402

SAYS_NO = (Refused, NotAllowed, ProfileError, ExpectationError, ValidationError, ObjectDoesNotExist, OperationalError)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    do = request.pop("do")
    try:
        return {"value": WORK[do](**request)}
    except SAYS_NO as error:
        return {"error": f"{do}: {error}"}
    finally:
        connection.close()  # a reader that stays would keep SQLite from folding its journal in


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
