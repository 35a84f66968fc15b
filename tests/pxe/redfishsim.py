"""A BMC that speaks Redfish and is not ours: the emulator of sushy-tools, as a real server. Whoever starts it says what
its machine does with its power."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from werkzeug.serving import make_server

SYSTEM_UUID = "27946b59-9e44-4fa7-8e91-f3527a1ef094"


class Chassis(Protocol):
    """The machine behind the BMC."""

    def is_on(self) -> bool: ...

    def set_power(self, reset_type: str) -> None:
        """One of the words of Redfish that the emulator offers: On, ForceOn, ForceOff, ForceRestart."""
        ...

    def set_boot_device(self, target: str) -> None: ...


@contextmanager
def emulated(directory: Path, chassis: Chassis, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Listens in the network namespace of the calling thread; its address."""
    from sushy_tools.emulator import main

    driver = _driver(directory, chassis)
    server = make_server(host, port, main.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    with patch.object(main.Application, "systems", property(lambda app: driver)):
        thread.start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _driver(directory: Path, chassis: Chassis) -> Any:
    """The emulator's own driver of machines that are made up, but for the power, which is the chassis'."""
    import logging

    from sushy_tools.emulator import main
    from sushy_tools.emulator.resources.systems import fakedriver

    class Driver(fakedriver.FakeDriver):  # type: ignore[misc]  # it has no types
        def get_power_state(self, identity: str) -> str:
            return "On" if chassis.is_on() else "Off"

        def set_power_state(self, identity: str, state: str) -> None:
            chassis.set_power(state)

        def set_boot_device(self, identity: str, boot_source: str) -> None:
            super().set_boot_device(identity, boot_source)
            chassis.set_boot_device(boot_source)

    main.app.config |= {"SUSHY_EMULATOR_FAKE_DRIVER": True, "SUSHY_EMULATOR_STATE_DIR": str(directory)}
    initialize: Callable[..., Any] = Driver.initialize
    return initialize(main.app.config, logging.getLogger("sushy_tools"))()
