"""`wake.commands` of vetting.yaml: the programs by which the wake driver `command` turns hosts on and off.

They stand here and not with a host: who may change a host may then choose one, and can't have another program run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from hosts.wakemethods import Verb
from vetting.section import Section

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Words = Annotated[tuple[Annotated[str, StringConstraints(max_length=1000)], ...], Field(max_length=50)]


class PowerCommand(Section):
    """For each verb a program and its arguments, in which {name} and {mac} stand for the host's."""

    power_on: Words = Field(description="Turns the host on. It must boot from the network then.")
    power_off: Words = ()
    cycle: Words = ()
    reset: Words = ()
    status: Words = Field(default=(), description="Its first word of output is `on` or `off`.")
    boot_network: Words = ()
    timeout_s: Annotated[float, Field(ge=1, le=60)] = 20

    @model_validator(mode="after")
    def _each_begins_with_a_program(self) -> Self:
        for verb, words in self.verbs.items():
            if not words[0].startswith("/"):
                raise ValueError(f"{verb}: {words[0]!r} must be the whole path of a program, such as /usr/bin/curl")
        if not self.power_on:
            raise ValueError("power_on must have a program")
        return self

    @property
    def verbs(self) -> Mapping[Verb, tuple[str, ...]]:
        """What it can do, with the words of each."""
        every = {
            Verb.ON: self.power_on,
            Verb.OFF: self.power_off,
            Verb.CYCLE: self.cycle,
            Verb.RESET: self.reset,
            Verb.STATUS: self.status,
            Verb.BOOT_NETWORK: self.boot_network,
        }
        return {verb: words for verb, words in every.items() if words}
