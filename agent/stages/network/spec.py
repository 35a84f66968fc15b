"""What the stage Network says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.contract.host_facts import START_S, HostFacts
from agent.contract.stage_spec import Plan, RequiredCheck, StageSpec


@dataclass(frozen=True)
class Params:
    throughput_duration_s: float
    streams: int
    busy_wait_s: float
    ping_count: int
    ping_interval_s: float
    ping_bytes: int
    lldp_wait_s: float
    throughput_tries: int


@dataclass(frozen=True)
class Limits:
    min_fraction: float
    min_fraction_above_10g: float
    min_fraction_of_each: float
    loss_max_percent: float
    retransmits_max_percent: float


# Between two tests of a port: connecting, and the supervised server's own restart.
PER_PORT_S = 4.0
_DIRECTIONS = 3  # out, in, and both at once


def _also_required(params: Params, plan: Plan) -> Iterator[RequiredCheck]:
    if any(nic.get("neighbour") for nic in plan.expected.get("nics") or []):
        yield RequiredCheck("neighbour", topic="lldp")


def _duration_s(params: Params, host: HostFacts, plan: Plan) -> float:
    pings_s = params.ping_count * params.ping_interval_s
    return START_S + host.ports * (_DIRECTIONS * params.throughput_duration_s + pings_s + PER_PORT_S)


SPEC = StageSpec(
    name="Network",
    title="Network",
    summary="Negotiated speed, throughput both ways, loss, errors",
    after="Storage",
    shares_link=True,
    params=Params,
    limits=Limits,
    also_required=_also_required,
    duration_s=_duration_s,
    tools=(
        "ethtool",
        "ip",
        "iperf3",
        "ping",
    ),
    codes=(
        "network.half_duplex",
        "network.loss",
        "network.no_link",
        "network.other_port",
        "network.retransmits",
        "network.slow",
        "network.slow_link",
        "nic.optics",
    ),
    blind=(
        "Speeds above that of the bench's own link, ports in a network without the bench, and which device is at the "
        "other end of a cable that has no switch port in the spec. If the bench is short of CPU or its own "
        "port is too slow, the stage measures again (docs/operations.md)."
    ),
)
