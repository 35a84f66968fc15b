"""Whole outputs of real tools, by tool and machine."""

from __future__ import annotations

from pathlib import Path

RECORDED = Path(__file__).parents[1] / "recorded"


def recorded(tool: str, name: str) -> str:
    return (RECORDED / tool / name).read_text(errors="replace")
