"""What every wake driver has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, TypeVar

from django.conf import settings

from hosts import options
from hosts.models import Host
from hosts.readable import readable
from hosts.wakemethods import SECRET_PREFIX, WORDS, Verb, WakeMethod

T = TypeVar("T")
PROBLEM_CHARACTERS = 300
_SAID_CHARACTERS = 120


class WakeProblem(Exception):
    """It could not be done; the message names the device, what was seen, and who must act."""


class Refused(WakeProblem):
    """The device refused the login `logins` times. Some lock an account after a few, so it is not tried on and on."""

    def __init__(self, words: str, logins: int = 1) -> None:
        super().__init__(words)
        self.logins = logins


class NotMeant(WakeProblem):
    """The host is not stopped, by what holds now. Nothing was sent."""


@dataclass(frozen=True)
class Stop:
    """Whether the host may be stopped now, which is asked right before it is: a login at a BMC takes up to a minute,
    and meanwhile a test may begin on the host, or somebody may take the order back.

    why_not: why it must not be stopped now, in a sentence; empty if it may be.
    begin: notes that it is about to be done; False if that was noted before. So a worker that dies has at worst left it
    out, and it is never done twice.
    """

    why_not: Callable[[], str]
    begin: Callable[[], bool]


class Machine:
    """A host as its driver reaches it, from `with` to its end: one login serves several verbs.

    A driver's file has a subclass of this name. It overrides the verbs that its METHOD declares. A verb acts once and
    returns what it did, in a few words. It raises WakeProblem with a sentence that begins with `who`.

    at: the device, as a person knows it, such as "BMC 10.0.0.9"; empty where there is none.
    """

    at = ""

    def __init__(self, host: Host, options: Any) -> None:
        """`options` is METHOD.options, filled in. Nothing is sent yet. Raises WakeProblem."""
        self.host, self.options = host, options

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Log out. Raises nothing."""

    @property
    def who(self) -> str:
        return f"{self.host.name}: {self.at}" if self.at else self.host.name

    def ready(self) -> None:
        """Do what takes long, such as logging in, so that the next verb acts at once. Raises WakeProblem."""

    def on(self) -> str:
        """Never stops or restarts a machine that is on."""
        raise self._cannot(Verb.ON)

    def off(self) -> str:
        """At once: nothing that runs on it is shut down."""
        raise self._cannot(Verb.OFF)

    def cycle(self) -> str:
        raise self._cannot(Verb.CYCLE)

    def reset(self) -> str:
        raise self._cannot(Verb.RESET)

    def status(self) -> bool | None:
        """Whether it is on; None where the device does not say."""
        raise self._cannot(Verb.STATUS)

    def boot_network(self) -> str:
        """The next boot, and only that one, is from the network."""
        raise self._cannot(Verb.BOOT_NETWORK)

    def _cannot(self, verb: Verb) -> WakeProblem:
        return WakeProblem(f"{self.who}: this way to wake has no {WORDS[verb]}")


class VerbMachine(Machine):
    """A device that has one call for all of on, off, cycle and reset: a subclass writes `power`."""

    def power(self, verb: Verb) -> str:
        """Do one of these four verbs. Returns what was done. Raises WakeProblem."""
        raise NotImplementedError

    def on(self) -> str:
        return self.power(Verb.ON)

    def off(self) -> str:
        return self.power(Verb.OFF)

    def cycle(self) -> str:
        return self.power(Verb.CYCLE)

    def reset(self) -> str:
        return self.power(Verb.RESET)


class Driver(Protocol):
    """A file of pxe/wake/drivers."""

    METHOD: WakeMethod
    Machine: type[Machine]


def options_of(host: Host, declared: type[T]) -> T:
    """The host's wake options as the driver declares them, secrets read from the environment. Raises WakeProblem."""

    def value_of(variable: str) -> str:
        secret: str = settings.BMC_PASSWORDS.get(variable, "")
        if not secret:
            raise WakeProblem(
                f"{host.name}: the environment has no {variable}: set it for web and worker (names begin with "
                f"{SECRET_PREFIX})"
            )
        return secret

    given = host.wake_options or {}
    if missing := options.missing(declared, given):
        raise WakeProblem(f"{host.name}: wake options have no {missing[0]!r}: add it on the host's form")
    try:
        return options.read(declared, given, value_of)
    except options.OptionProblem as problem:
        raise WakeProblem(
            f"{host.name}: wake options: `{problem.key}` {problem}: correct it on the host's form"
        ) from None


def with_its_words(sentence: str, said: str, *secrets: str) -> str:
    """The sentence with what the device said behind it, without secrets, as far as there is room on the page."""
    for secret in filter(None, secrets):
        said = said.replace(secret, "…")
    said = " ".join(readable(said[:4096]).split())
    room = min(_SAID_CHARACTERS, PROBLEM_CHARACTERS - len(sentence) - len('; it says: ""'))
    if not said or room < 20:
        return sentence
    return f'{sentence}; it says: "{said if len(said) <= room else said[: room - 1] + "…"}"'
