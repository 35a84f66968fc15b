"""The answers that each call may have, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from restapi import schemas

_REFUSED = dict.fromkeys((400, 401, 403, 404, 405, 413, 429, 503), schemas.Error)
FILE: dict[str, Any] = {"responses": {200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}}
"""For a call whose answer is a file."""
DONE: dict[int, Any] = {200: schemas.Done, 409: schemas.Error, **_REFUSED}
"""409: the present state does not allow it."""
POWERED: dict[int, Any] = {200: schemas.PowerAsked, 409: schemas.Error, **_REFUSED}
TAGGED: dict[int, Any] = {200: schemas.Tagged, **_REFUSED}
STARTED: dict[int, Any] = {201: schemas.Run, 409: schemas.Error, **_REFUSED, 200: schemas.Plan}
"""200: the answer to a dry run."""


def of_reading(model: Any) -> dict[int, Any]:
    """304: nothing has changed since the answer whose ETag was sent in If-None-Match."""
    return {200: model, 304: None, **_REFUSED}
