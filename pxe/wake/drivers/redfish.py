"""Redfish (DMTF DSP0266): boot from the network once, and everything with the power.

What BMCs do otherwise than the standard says is known to sushy (OpenStack's library), which is imported only here, when
a host is woken. How much a BMC may say, and for how long, is bounded by `pxe.wake.bounds`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from hosts.models import Host
from hosts.options import one_of, option, secret
from hosts.wakemethods import WORDS, Device, Verb, WakeMethod
from pxe.wake import shape
from pxe.wake.bounds import TOTAL_S, Bounds, origin
from pxe.wake.shape import Refused, WakeProblem, with_its_words

SYSTEMS_TOLD = 5
_USUAL_PORTS = (80, 443)
# What sushy ends in when an answer has other types than Redfish says.
_MALFORMED = (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError)
_BY_STATUS = {
    401: "the BMC takes neither user nor password: check `user` and the variable that `password_env` names",
    403: "the BMC does not allow it to this user: give the user the role Operator there",
    404: "there is no such place: check `url` and `system`, or wake this host by IPMI",
}
_BY_CLASS = {4: "update the BMC's firmware, or wake this host by IPMI", 5: "restart the BMC, update its firmware"}
_BUTTON = "PushPowerButton"
# The words for each verb that a BMC may offer, the fittest first.
_RESETS = {
    Verb.ON: ("On", "ForceOn", _BUTTON),
    Verb.OFF: ("ForceOff",),
    Verb.CYCLE: ("PowerCycle", "ForceRestart"),
    Verb.RESET: ("ForceRestart", "PowerCycle"),
}
_TARGETS = ("Pxe", "UefiHttp")


def _url(value: str) -> str:
    """Of scheme, name and port: a path is no part of it, since the BMC itself names its places."""
    such = "such as https://10.0.0.9"
    try:
        origin(value)
    except ValueError:
        return f"must be an address {such}"
    parts = urlsplit(value)
    if "@" in parts.netloc:
        return "must not hold a name or password: use `user` and `password_env`"
    if parts.path.rstrip("/") or parts.query or parts.fragment:
        return f"must be without a path, {such}; the path of a system is `system`"
    return ""


@dataclass(frozen=True, kw_only=True)
class Options:
    url: str = option("address of the BMC", example="https://10.0.0.9", check=_url)
    user: str = option("user of the BMC, with the role Operator", example="vetting")
    password: str = secret("password of `user`", example="VETTING_BMC_RACK1")
    system: str = option("path of the system, where the BMC has more than one", default="")
    boot_mode: str = option(
        "UEFI or Legacy, sent along where the BMC asks for BootSourceOverrideMode",
        default="",
        check=one_of("UEFI", "Legacy"),
    )
    verify_tls: bool = option("false for a BMC with a self-signed certificate", default=True)


def _device(given: Mapping[str, Any]) -> Device:
    _, name, port = origin(str(given.get("url") or ""))
    return Device(name + ("" if port in _USUAL_PORTS else f":{port}"), str(given.get("system") or "").rstrip("/"))


METHOD = WakeMethod(
    title="Redfish",
    does="next boot from the network once, power on",
    options=Options,
    verbs=(Verb.ON, Verb.OFF, Verb.CYCLE, Verb.RESET, Verb.STATUS, Verb.BOOT_NETWORK),
    device=_device,
    slow=True,
)


class Machine(shape.VerbMachine):
    """One login, at the first verb; all verbs together have TOTAL_S."""

    options: Options

    def __init__(self, host: Host, options: Any) -> None:
        super().__init__(host, options)
        self.at = f"BMC {options.url}"
        self._bounds = Bounds(self.who, options.url, TOTAL_S)
        self._session: Any = None
        self._found: Any = None

    def __enter__(self) -> Machine:
        self._bounds.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._session is not None:
            import sushy

            # A session that can't be closed ends by itself; what was done was done.
            with contextlib.suppress(sushy.exceptions.SushyError, WakeProblem, *_MALFORMED):
                self._session.close()
        self._bounds.__exit__(kind, error, at)

    def ready(self) -> None:
        with self._in_words():
            self._system()

    def status(self) -> bool | None:
        with self._in_words():
            state = self._system().power_state
            return {"On": True, "PoweringOn": True, "Off": False, "PoweringOff": None}.get(getattr(state, "value", ""))

    def boot_network(self) -> str:
        import sushy

        with self._in_words():
            offered = {one.value for one in self._system().get_allowed_system_boot_source_values()}
            target = next((one for one in _TARGETS if one in offered), _TARGETS[0])
            mode = sushy.BootSourceOverrideMode(self.options.boot_mode) if self.options.boot_mode else None
            self._system().set_system_boot_options(
                target=sushy.BootSource(target), enabled=sushy.BootSourceOverrideEnabled.ONCE, mode=mode
            )
        return WORDS[Verb.BOOT_NETWORK]

    def power(self, verb: Verb) -> str:
        import sushy

        with self._in_words():
            offered = {one.value for one in self._system().get_allowed_reset_system_values()}
            word = next((one for one in _RESETS[verb] if one in offered), None)
            if word is None:
                raise WakeProblem(f"{self.who} offers no {WORDS[verb]}: {_BY_CLASS[4]}")
            if word == _BUTTON:
                self._refuse_unless_off()
            self._system().reset_system(sushy.ResetType(word))
        return WORDS[verb] if word == _RESETS[verb][0] else f"{WORDS[verb]} by {word}"

    def _refuse_unless_off(self) -> None:
        """A machine that is on takes its button for an order to shut down."""
        self._system().refresh(force=True)
        if self.status() is not False:
            raise WakeProblem(
                f"{self.who} turns on by its power button alone, and does not say that it is off: nothing was sent, "
                "since the button would turn off a machine that is on. Look at it, and press the button yourself"
            )

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """What sushy raises, as a sentence with the BMC's own words."""
        import sushy

        # It quotes whole answers of the BMC; what matters of them is in our sentences.
        logging.getLogger("sushy").setLevel(logging.CRITICAL)
        try:
            yield
        except sushy.exceptions.HTTPError as error:
            raise self._answered(error) from None
        except sushy.exceptions.SushyError as error:
            raise WakeProblem(f"{self.who}: {_lacking(error)}: {_BY_CLASS[4]}") from None
        except _MALFORMED as error:
            if refused := self._bounds.refused_logins:  # sushy fails at the refusal itself, if that is malformed
                raise Refused(f"{self.who} answered 401: {_BY_STATUS[401]}", refused) from None
            why = f"an answer that is not as Redfish says ({type(error).__name__})"
            raise WakeProblem(f"{self.who}: {why}: {_BY_CLASS[4]}") from None

    def _answered(self, error: Any) -> WakeProblem:
        status = int(error.status_code)
        advice = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, _BY_CLASS[5])
        told = with_its_words(f"{self.who} answered {status}: {advice}", _its_words(error), self.options.password)
        return Refused(told, max(1, self._bounds.refused_logins)) if status in (401, 403) else WakeProblem(told)

    def _system(self) -> Any:
        """By name and password with every call; by a session where the BMC wants one."""
        if self._found is None:
            self._found = self._logged_in()
        return self._found

    def _logged_in(self) -> Any:
        import sushy

        account = (self.options.user, self.options.password)
        try:
            return self._named(self._root(sushy.auth.BasicAuth(*account), account))
        except sushy.exceptions.AccessError as error:
            if error.status_code != 401:
                raise
        self._session = sushy.auth.SessionAuth(*account)
        return self._named(self._root(self._session))

    def _root(self, how: Any, basic: tuple[str, str] | None = None) -> Any:
        import sushy

        bounds = self._bounds

        class Connector(sushy.connector.Connector):  # type: ignore[misc]  # sushy has no types
            def _op(self, method: str, path: str = "", *given: Any, **more: Any) -> Any:
                return super()._op(method, bounds.address(path), *given, **more)

        connector = Connector(
            bounds.url, verify=self.options.verify_tls, server_side_retries=1, server_side_retries_delay=1
        )
        for scheme in ("http://", "https://"):
            connector._session.mount(scheme, bounds)
        # Ignore proxies and .netrc of the environment: they are not meant for BMCs.
        connector._session.trust_env = False
        connector._session.auth = basic
        return sushy.Sushy(bounds.url, auth=how, connector=connector)

    def _named(self, root: Any) -> Any:
        path = self.options.system
        if not path:
            found = root.get_system_collection().members_identities
            if len(found) != 1:
                named = f": {', '.join(str(one)[:60] for one in found[:SYSTEMS_TOLD])}" if found else ""
                raise WakeProblem(
                    f"{self.who} has {len(found)} systems: name one as `system` in the wake options{named}"
                )
            path = found[0]
        return root.get_system(path)


def _its_words(error: Any) -> str:
    """What the BMC says of its refusal: the messages of its error (DSP0266, 8.6), whatever their shape is."""
    given = error.extended_info
    told = [one.get("Message") for one in (given if isinstance(given, list) else [given]) if isinstance(one, dict)]
    words = [one for one in (*told, error.detail) if isinstance(one, str) and one.strip()]
    return " ".join(dict.fromkeys(words[:3])) if told else "".join(words[:1])


def _lacking(error: Exception) -> str:
    """In short: sushy's own words quote the answer."""
    import sushy

    if isinstance(error, sushy.exceptions.MissingActionError):
        return "it offers no #ComputerSystem.Reset"
    if isinstance(error, sushy.exceptions.InvalidParameterValueError):
        return "it offers no boot from the network (Pxe, UefiHttp), or no power on"
    if isinstance(error, sushy.exceptions.MissingAttributeError | sushy.exceptions.MalformedAttributeError):
        return f"an answer without what Redfish says ({str(error)[:120]})"
    return f"an answer that is not as Redfish says ({type(error).__name__})"
