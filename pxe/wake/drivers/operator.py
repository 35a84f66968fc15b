"""A person presses the button: nothing is sent, the run just sees the boot."""

from __future__ import annotations

from dataclasses import dataclass

from hosts.wakemethods import WakeMethod
from pxe.wake import shape


@dataclass(frozen=True, kw_only=True)
class Options:
    """None."""


METHOD = WakeMethod(
    title="A person presses the button",
    does="nothing; the run says that somebody must press the button",
    options=Options,
    verbs=(),
    by_hand=True,
)


class Machine(shape.Machine):
    def on(self) -> str:
        return f"nothing is sent to {self.host.name}: press its power button; it must boot from the network"
