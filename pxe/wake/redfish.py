"""Redfish (DMTF DSP0266): next boot from the network, then power on. A machine that is on is left alone.

Wake options: `url` of the BMC (https://10.0.0.5), `user`, `password_env`; `system` (its path) where the BMC
has more than one; `verify_tls: false` for a BMC with a certificate of its own making.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import requests

from hosts.models import Host
from pxe.wake.shape import Sent, WakeProblem, option, password

LIMIT: int | None = None
SLOW = True
TIMEOUT_S = (5.0, 20.0)
RESET = "#ComputerSystem.Reset"
ONCE_FROM_NETWORK = {"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}}


def wake(host: Host) -> Sent:
    bmc = _Bmc(host)
    path = (host.wake_options or {}).get("system") or bmc.only_system()
    system = bmc.call("GET", path)
    if system.get("PowerState") == "On":
        raise WakeProblem(
            f"{host.name}: BMC {bmc.url} says that it is on already; nothing was sent: restart it yourself"
        )
    bmc.call("PATCH", path, ONCE_FROM_NETWORK, etag=str(system.get("@odata.etag", "")))
    bmc.call("POST", reset_target(host, system), {"ResetType": "On"})
    return Sent(f"BMC {bmc.url}: boot from the network once, power on (Redfish)")


def reset_target(host: Host, system: dict[str, Any]) -> str:
    try:
        return str(system["Actions"][RESET]["target"])
    except (KeyError, TypeError):
        raise WakeProblem(f"{host.name}: its BMC offers no {RESET}: choose another way to wake it") from None


class _Bmc:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.url = option(host, "url")
        self.session = requests.Session()
        self.session.auth = (option(host, "user"), password(host))
        self.session.verify = bool((host.wake_options or {}).get("verify_tls", True))
        # Nothing of the environment: neither a proxy nor a .netrc is meant for BMCs.
        self.session.trust_env = False

    def only_system(self) -> str:
        members = self.call("GET", "/redfish/v1/Systems").get("Members")
        paths = [member.get("@odata.id") for member in members] if isinstance(members, list) else []
        if len(paths) != 1 or not isinstance(paths[0], str):
            raise WakeProblem(f"{self.host.name}: BMC {self.url} has {len(paths)} systems: name one as `system`")
        return paths[0]

    def call(self, method: str, path: str, body: Any = None, etag: str = "") -> dict[str, Any]:
        """The answer's JSON object, empty where there is none. Raises WakeProblem, without the password."""
        headers = {"If-Match": etag} if etag else {}
        try:
            answer = self.session.request(
                method, self._address(path), json=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False
            )
            content = answer.json() if answer.content else {}
        except (requests.RequestException, ValueError) as error:
            raise WakeProblem(f"{self.host.name}: BMC {self.url}: {method} {path}: {type(error).__name__}") from None
        if not answer.ok or answer.is_redirect:
            raise WakeProblem(f"{self.host.name}: BMC {self.url}: {method} {path} answered {answer.status_code}")
        return content if isinstance(content, dict) else {}

    def _address(self, path: str) -> str:
        """What the BMC names must lie on the BMC itself: the password goes nowhere else."""
        address = urljoin(self.url.rstrip("/") + "/", path)
        if not address.startswith(self.url.rstrip("/") + "/"):
            raise WakeProblem(f"{self.host.name}: BMC {self.url} names a place that is not its own: {path[:100]}")
        return address
