"""A list is written piece by piece as Python writes it at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runs.desk import json_text


@pytest.mark.parametrize("values", [[], [{"a": [1, {"b": "x\ny\u2028"}], "c": {}}, [], "z", 1.5, None], [[]]])
def test_the_pieces_are_what_python_writes_at_once(values: list[Any]) -> None:
    assert "".join(json_text.of_list(values)) == json.dumps(values, indent=1)
