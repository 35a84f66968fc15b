"""Sends files of runs piece by piece, as fast as each reader takes them, without a thread and with little memory per
reader. daphne's own `send` does not wait for the reader: it keeps everything in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from runs.files import sending

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
PIECE_BYTES = 256 * 1024
LOOK_EVERY_S = 0.05


def sent_apart(application: Application, is_taken: Callable[[Any], bool | None]) -> Application:
    """`application`, whose answers may name a file instead of holding it. `is_taken(client)`: whether a client has
    taken what was sent to it so far; None once it is gone."""

    async def answered(scope: dict[str, Any], receive: Any, send: Any) -> None:
        start: dict[str, Any] = {}

        async def keep_files_back(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and sending.path_in(message["headers"]):
                start.update(message)
            elif not start:
                await send(message)

        await application({**scope, sending.OFFERED: True}, receive, keep_files_back)
        if path := sending.path_in(start.get("headers", [])):
            await _send(path, start, send, is_head=scope["method"] == "HEAD", taken=lambda: is_taken(scope["client"]))

    return answered


async def _send(path: Path, start: dict[str, Any], send: Any, *, is_head: bool, taken: Callable[[], Any]) -> None:
    """Send exactly as many bytes as the headers say, since a log may grow meanwhile."""
    headers = sending.without_path(start["headers"])
    left = next(int(value) for name, value in headers if name.lower() == b"content-length")
    with await asyncio.to_thread(path.open, "rb") as file:
        await send({**start, "headers": headers})
        while left and not is_head and (piece := await asyncio.to_thread(file.read, min(left, PIECE_BYTES))):
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not await _until_taken(taken):
                return
    await send({"type": "http.response.body", "body": b""})


async def _until_taken(taken: Callable[[], bool | None]) -> bool:
    """Wait until the client has taken everything. False if it has gone away."""
    while (is_taken := taken()) is False:
        await asyncio.sleep(LOOK_EVERY_S)
    return is_taken is not None
