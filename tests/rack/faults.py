"""What each event of a machine file does, as actions in time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.rack import guestport
from tests.rack.errors import RackBroken
from tests.rack.machinefile import Event, Machine
from tests.rack.orchestrator import Orchestrator
from tests.rack.vm import VirtualMachine

FLAP_S = 1.0
# Intel SDM volume 3B, chapter 16: valid, enabled, address and context; the fatal one also uncorrected and
# processor context corrupt, without which it would not stop the machine.
MCE_FATAL = "mce -b 0 4 0xbe00000000000151 0x0 0x12345000 0x8c"
MCE_CORRECTED = "mce 0 4 0x8c00000000000151 0x0 0x12345000 0x8c"
MCE_POLL = "/sys/devices/system/machinecheck/machinecheck0/check_interval"


@dataclass(frozen=True)
class Bench:
    """What an event can reach."""

    vm: VirtualMachine
    orchestrator: Orchestrator


@dataclass(frozen=True)
class Action:
    """`do` is called `after_s` after the event's own time."""

    after_s: float
    do: Callable[[Bench], None]


def actions(machine: Machine, event: Event) -> list[Action]:
    """What happens, in order of time."""
    if event.do == "link_flap":
        moments = range(2 * event.times)
        return [Action(n * FLAP_S, _set_link(machine, event.target or "", up=n % 2 == 1)) for n in moments]
    return [Action(0, _single(machine, event))]


def _single(machine: Machine, event: Event) -> Callable[[Bench], None]:
    target = event.target or ""
    match event.do:
        case "nvme_critical_warning":
            return _nvme_warning(machine, target, event.value)
        case "mce":
            return _fatal_mce if event.kind == "fatal" else _corrected_mce
        case "link_down" | "link_up":
            return _set_link(machine, target, up=event.do == "link_up")
        case "stop" | "system_reset":
            return lambda bench: _execute(bench, event.do)
        case "quit":
            return lambda bench: bench.vm.cut_power()
        case "sel_entry":
            return lambda bench: bench.vm.bmc.log_event(target, event.text)
        case "psu_fail":
            return lambda bench: bench.vm.bmc.fail_psu(target)
        case "agent_kill":
            return _kill_agent
        case "aer":
            return _pcie_error(target, event.kind or "")
        case _:
            return lambda bench: os.kill(bench.orchestrator.pid(event.do.removesuffix("_kill")), signal.SIGKILL)


def _execute(bench: Bench, command: str, **arguments: object) -> None:
    with bench.vm.monitor() as monitor:
        monitor.execute(command, **arguments)


def _nvme_warning(machine: Machine, serial: str, value: int) -> Callable[[Bench], None]:
    index = next(n for n, disk in enumerate(machine.disks) if disk.serial == serial and disk.bus == "nvme")
    path = f"/machine/peripheral/nvme{index}"
    return lambda bench: _execute(bench, "qom-set", path=path, property="smart_critical_warning", value=value)


def _set_link(machine: Machine, mac: str, *, up: bool) -> Callable[[Bench], None]:
    index = next(n for n, nic in enumerate(machine.nics) if nic.mac == mac.lower())
    return lambda bench: _execute(bench, "set_link", name=f"nic{index}", up=up)


def _fatal_mce(bench: Bench) -> None:
    with bench.vm.monitor() as monitor:
        monitor.human(MCE_FATAL)


def _corrected_mce(bench: Bench) -> None:
    """The guest sees a corrected error only when it polls, every five minutes unless told otherwise."""
    guestport.run(bench.vm.bay.guest_port, ["sh", "-c", f"echo 1 > {MCE_POLL}"])
    with bench.vm.monitor() as monitor:
        monitor.human(MCE_CORRECTED)


def _pcie_error(target: str, kind: str) -> Callable[[Bench], None]:
    def report(bench: Bench) -> None:
        said = guestport.run(bench.vm.bay.guest_port, ["python3", f"/{guestport.AER}", target, kind])
        if said.status:
            raise RackBroken(f"no PCIe error of {target} could be made: {said.output.strip()[-500:]}")

    return report


def _kill_agent(bench: Bench) -> None:
    kill = ["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "vetting-agent.service"]
    said = guestport.run(bench.vm.bay.guest_port, kill)
    if said.status:
        raise RackBroken(f"the agent could not be killed: {said.output.strip()}")
