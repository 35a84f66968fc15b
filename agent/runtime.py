"""Everything that the agent works with, assembled once at its start."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.contract import codec, wire
from agent.counters.component_names import Names
from agent.counters.counting import CounterBook
from agent.counters.kernel.log import KernelLog
from agent.host.hold import Hold
from agent.host.identity import Identity
from agent.host.power import Power
from agent.host.spool import write_whole
from agent.link.client import Client
from agent.link.outbox import Outbox
from agent.link.redact import printable
from agent.link.results import Results
from agent.probes.board import memory_modules
from agent.probes.board.dmiaddresses import AddressMap
from agent.stage import StageContext, StageReport

Stage = Callable[[StageContext], StageReport]


@dataclass
class Runtime:
    """`root` is / on a real host. Files in `directory` (/run/vetting) survive the agent within one boot. `console`
    prints a line on the host's screen. `set_clock` takes seconds since 1970."""

    identity: Identity
    address: Callable[[], str]
    root: Path
    directory: Path
    in_image: bool
    client: Client
    outbox: Outbox
    results: Results
    book: CounterBook
    kernel_log: KernelLog
    hold: Hold
    power: Power
    stages: Mapping[str, Stage]
    console: Callable[[str], None]
    set_clock: Callable[[float], None]
    slow_sensors: tuple[Callable[[], list[wire.Measurement]], ...] = ()
    inventory: wire.Inventory | None = None
    _addresses: AddressMap | None = None

    def __post_init__(self) -> None:
        with contextlib.suppress(OSError, codec.WireError):
            self.inventory = codec.loads(wire.Inventory, self._inventory_file.read_bytes())

    def names(self) -> Names:
        return Names(self.root, self.inventory, addresses=self.addresses)

    def addresses(self) -> AddressMap:
        """Which memory module has which address; read when it is first asked for."""
        if self._addresses is None:
            self._addresses = memory_modules.of_host(self.root)
        return self._addresses

    def keep_inventory(self, inventory: wire.Inventory) -> None:
        """Store the inventory for the stages after InventoryCheck, also for those that the next agent of this boot
        runs."""
        self.inventory = inventory
        write_whole(self._inventory_file, codec.dumps(inventory))

    def say(self, level: str, text: str) -> None:
        """Write to the run's log and to the host's screen."""
        self.outbox.log(level, text)
        self.console(printable(text))

    @property
    def _inventory_file(self) -> Path:
        return self.directory / "inventory.json"
