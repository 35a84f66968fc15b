"""A whole wake against a Redfish service that is not ours: the emulator of sushy-tools."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from pxe import wake
from tests.rows import a_host

pytestmark = pytest.mark.django_db


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """Its address, and a client that asks it by itself."""
    from sushy_tools.emulator import main

    main.app.config |= {"SUSHY_EMULATOR_FAKE_DRIVER": True, "SUSHY_EMULATOR_STATE_DIR": str(tmp_path)}
    server = make_server("127.0.0.1", 0, main.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", main.app.test_client()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_machine_is_told_to_boot_from_the_network_and_turned_on(emulator: tuple[str, Any], settings: Any) -> None:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    url, client = emulator
    wanted = {"url": url, "user": "admin", "password_env": "VETTING_BMC_NODE1"}
    done = wake.wake(a_host(wake_method="redfish", wake_options=wanted))
    assert done.endswith("boot from the network once, power on (Redfish)")
    (member,) = client.get("/redfish/v1/Systems").json["Members"]
    assert client.get(member["@odata.id"]).json["Boot"]["BootSourceOverrideTarget"] == "Pxe"
