"""A program of this machine, such as curl for a switched socket. Which ones there are stands in vetting.yaml: a host
names one and can't bring its own. No shell reads the arguments."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from hosts.models import Host
from hosts.options import option
from hosts.wakemethods import WORDS, Verb, WakeMethod
from pxe.wake import shape, tool
from pxe.wake.shape import WakeProblem, with_its_words

TOTAL_S = 60.0
# Nothing of our own environment, which holds our secrets.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def _known(name: str) -> str:
    commands = settings.VETTING.wake.commands
    there = ", ".join(commands) or "none is there yet"
    return "" if name in commands else f"must be the name of one of wake.commands in vetting.yaml: {there}"


@dataclass(frozen=True, kw_only=True)
class Options:
    command: str = option("name of a command in `wake.commands` of vetting.yaml", example="socket", check=_known)


def _offered(given: Mapping[str, Any]) -> Iterable[Verb]:
    command = settings.VETTING.wake.commands.get(str(given.get("command", "")))
    return command.verbs if command else (Verb.ON,)


METHOD = WakeMethod(
    title="A command",
    does="a program of `wake.commands` in vetting.yaml; the firmware must start with power, from the network",
    options=Options,
    verbs=(Verb.ON, Verb.OFF, Verb.CYCLE, Verb.RESET, Verb.STATUS, Verb.BOOT_NETWORK),
    offers=_offered,
    slow=True,
)


class Machine(shape.VerbMachine):
    options: Options

    def __init__(self, host: Host, options: Any) -> None:
        super().__init__(host, options)
        self.at, self._until = f"command {options.command}", time.monotonic() + TOTAL_S
        self._command = settings.VETTING.wake.commands[options.command]

    def boot_network(self) -> str:
        return self.power(Verb.BOOT_NETWORK)

    def status(self) -> bool | None:
        first = [word.casefold() for word in self._run(Verb.STATUS).split()[:1]]
        return {"on": True, "off": False}.get("".join(first))

    def power(self, verb: Verb) -> str:
        self._run(verb)
        return WORDS[verb]

    def _run(self, verb: Verb) -> str:
        argv = [self._filled(word) for word in self._command.verbs[verb]]
        failed = f"{self.who}: {WORDS[verb]}"
        limit_s = self._command.timeout_s
        try:
            done = tool.run(argv, ENVIRONMENT, min(self._until, time.monotonic() + limit_s))
        except OSError as error:
            raise WakeProblem(f"{failed}: {argv[0]} can't be run: {error.strerror}") from None
        if done.too_long:
            raise WakeProblem(f"{failed}: it was not done within {limit_s:g} s: check the device, or raise timeout_s")
        if done.too_much:
            raise WakeProblem(f"{failed}: it said too much, the rest was not read")
        if done.status:
            ended = f"{failed}: it ended with status {done.status}: try it by hand as the worker's user"
            raise WakeProblem(with_its_words(ended, done.said))
        return done.said

    def _filled(self, word: str) -> str:
        """A value of the host must not become an option of the program."""
        filled = word.replace("{name}", self.host.name).replace("{mac}", next(iter(self.host.mac_list), ""))
        if filled.startswith("-") and not word.startswith("-"):
            raise WakeProblem(f"{self.who}: the host's name would be an option of the program: rename it")
        return filled
