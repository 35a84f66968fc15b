"""The door between browser and web process."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from tests.walk.door import Door


@pytest.fixture
def ends() -> Iterator[tuple[Door, socket.socket, socket.socket]]:
    """The door, and who talks through it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        door = Door(listener.getsockname()[1])
        with socket.create_connection(("127.0.0.1", door.port)) as near, listener.accept()[0] as far:
            yield door, near, far
        door.close()


def test_nothing_passes_a_shut_door_and_all_of_it_when_it_is_open_again(
    ends: tuple[Door, socket.socket, socket.socket],
) -> None:
    door, near, far = ends
    door.shut()
    near.sendall(b"are you there?")
    assert select.select([far], [], [], 0.3)[0] == []
    door.open()
    far.settimeout(10)
    assert far.recv(100) == b"are you there?"


def test_a_closed_door_ends_both_sides(ends: tuple[Door, socket.socket, socket.socket]) -> None:
    door, near, far = ends
    near.sendall(b"x")
    assert far.recv(1) == b"x"
    door.close()
    assert (near.recv(1), far.recv(1)) == (b"", b"")
