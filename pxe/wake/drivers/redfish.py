"""Redfish (DMTF DSP0266): next boot from the network, then power on. A machine that is on is left alone.

What BMCs do otherwise than the standard says is known to sushy (OpenStack's library), which is imported only here, when
a host is woken. How much a BMC may say, and for how long, is bounded by `pxe.wake.bounds`.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import Any

from hosts.models import Host
from hosts.options import option, secret
from hosts.wakemethods import WakeMethod
from pxe.wake.bounds import TOTAL_S, Bounds, origin
from pxe.wake.shape import WakeProblem

SYSTEMS_TOLD = 5
# What sushy ends in when an answer has other types than Redfish says.
_MALFORMED = (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError)
_BY_STATUS = {
    401: "the BMC takes neither user nor password: check `user` and the variable that `password_env` names",
    403: "the BMC does not allow it to this user: give the user the role Operator there",
    404: "there is no such place: check `url` and `system`, or wake this host by IPMI",
}
_BY_CLASS = {4: "update the BMC's firmware, or wake this host by IPMI", 5: "restart the BMC, update its firmware"}


@dataclass(frozen=True, kw_only=True)
class Options:
    url: str = option("address of the BMC", example="https://10.0.0.9")
    user: str = option("user of the BMC, with the role Operator", example="vetting")
    password: str = secret("password of `user`", example="VETTING_BMC_RACK1")
    system: str = option("path of the system, where the BMC has more than one", default="")
    verify_tls: bool = option("false for a BMC with a certificate of its own making", default=True)


METHOD = WakeMethod(title="Redfish", does="next boot from the network once, power on", options=Options, slow=True)


def wake(host: Host, options: Options) -> str:
    who = f"{host.name}: BMC {_shown(host, options.url)}"
    with Bounds(who, options.url, TOTAL_S) as bounds:
        _power_on(options, bounds)
    return f"BMC {options.url}: boot from the network once, power on (Redfish)"


def _power_on(options: Options, bounds: Bounds) -> None:
    import sushy

    # It quotes whole answers of the BMC; what matters of them is in our sentences.
    logging.getLogger("sushy").setLevel(logging.CRITICAL)
    auth: list[Any] = []
    try:
        system = _system(options, bounds, auth)
        if system.power_state in (sushy.PowerState.ON, sushy.PowerState.POWERING_ON):
            raise WakeProblem(f"{bounds.who} says that it is on already; nothing was sent: restart it yourself")
        on = _way_to_turn_on(bounds.who, system)
        system.set_system_boot_options(target=sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE)
        system.reset_system(on)
    except sushy.exceptions.HTTPError as error:
        raise WakeProblem(f"{bounds.who} answered {error.status_code}: {_advice(error.status_code)}") from None
    except sushy.exceptions.SushyError as error:
        raise WakeProblem(f"{bounds.who}: {_lacking(error)}: {_BY_CLASS[4]}") from None
    except _MALFORMED as error:
        why = f"an answer that is not as Redfish says ({type(error).__name__})"
        raise WakeProblem(f"{bounds.who}: {why}: {_BY_CLASS[4]}") from None
    finally:
        for one in auth:
            # A session that can't be closed ends by itself; the machine was woken or it was not.
            with contextlib.suppress(sushy.exceptions.SushyError, WakeProblem, *_MALFORMED):
                one.close()


def _system(options: Options, bounds: Bounds, auth: list[Any]) -> Any:
    """By name and password with every call; by a session where the BMC wants one. `auth` gets what must be closed."""
    import sushy

    account = (options.user, options.password)
    try:
        return _named(options, bounds, _root(bounds, sushy.auth.BasicAuth(*account), options.verify_tls, account))
    except sushy.exceptions.AccessError as error:
        if error.status_code != 401:
            raise
    auth.append(sushy.auth.SessionAuth(*account))
    return _named(options, bounds, _root(bounds, auth[0], options.verify_tls))


def _root(bounds: Bounds, how: Any, verify: bool, basic: tuple[str, str] | None = None) -> Any:
    import sushy

    class Connector(sushy.connector.Connector):  # type: ignore[misc]  # sushy has no types
        def _op(self, method: str, path: str = "", *given: Any, **more: Any) -> Any:
            return super()._op(method, bounds.address(path), *given, **more)

    connector = Connector(bounds.url, verify=verify, server_side_retries=1, server_side_retries_delay=1)
    for scheme in ("http://", "https://"):
        connector._session.mount(scheme, bounds)
    # Ignore proxies and .netrc of the environment: they are not meant for BMCs.
    connector._session.trust_env = False
    connector._session.auth = basic
    return sushy.Sushy(bounds.url, auth=how, connector=connector)


def _named(options: Options, bounds: Bounds, root: Any) -> Any:
    path = options.system
    if not path:
        found = root.get_system_collection().members_identities
        if len(found) != 1:
            named = f": {', '.join(str(one)[:60] for one in found[:SYSTEMS_TOLD])}" if found else ""
            raise WakeProblem(f"{bounds.who} has {len(found)} systems: name one as `system` in the wake options{named}")
        path = found[0]
    return root.get_system(path)


def _way_to_turn_on(who: str, system: Any) -> Any:
    import sushy

    offered = system.get_allowed_reset_system_values()
    for way in (sushy.ResetType.ON, sushy.ResetType.FORCE_ON, sushy.ResetType.PUSH_POWER_BUTTON):
        if way in offered:
            return way
    raise WakeProblem(f"{who} offers no way to turn the machine on: {_BY_CLASS[4]}")


def _advice(status: int) -> str:
    return _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, _BY_CLASS[5])


def _lacking(error: Exception) -> str:
    """In short: sushy's own words quote the answer."""
    import sushy

    if isinstance(error, sushy.exceptions.MissingActionError):
        return "it offers no #ComputerSystem.Reset"
    if isinstance(error, sushy.exceptions.InvalidParameterValueError):
        return "it offers no boot from the network (Pxe), or no power on"
    if isinstance(error, sushy.exceptions.MissingAttributeError | sushy.exceptions.MalformedAttributeError):
        return f"an answer without what Redfish says ({str(error)[:120]})"
    return f"an answer that is not as Redfish says ({type(error).__name__})"


def _shown(host: Host, url: str) -> str:
    """The address, which must be one and carry no password of its own."""
    try:
        origin(url)
    except ValueError:
        raise WakeProblem(f"{host.name}: `url` is no address such as https://10.0.0.9: {url[:60]!r}") from None
    if "@" in url:
        raise WakeProblem(f"{host.name}: `url` must not hold a name or password: use `user` and `password_env`")
    return url
