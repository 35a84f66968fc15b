"""Compare network cards, InfiniBand ports and GPUs. The spec names no slots, so a missing card and an unexpected,
equivalent one are taken for a replacement, pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from agent.contract import wire
from hosts import ports
from runs.judging.specdiff import unready
from runs.judging.specdiff.difference import Difference, Part, Spec


@dataclass(frozen=True)
class _Like:
    """How a kind of port is identified in spec and path, and what messages call it."""

    leaf: str
    key: str
    kind: str
    words: str


_NIC = _Like("nics", "mac", "nic", "network card")
_INFINIBAND = _Like("infiniband", "guid", "infiniband", "InfiniBand port")


def nics(
    wanted: list[Spec], found: list[wire.Nic], pinned: frozenset[str], not_ready: Sequence[wire.Unready] = ()
) -> Iterator[Difference]:
    """A missing port is critical, unless it may be of a card that was not ready and that can have as many."""
    excuses = unready.of_ports(absent_nics(wanted, found), not_ready)
    for one in _ports(_NIC, wanted, found, pinned):
        excuse = excuses.get(one.component, unready.Excuse())
        if one.code != "spec.missing":
            yield one
        elif not excuse.why:
            yield replace(one, message=one.message + excuse.limit)


def absent_nics(wanted: list[Spec], found: list[wire.Nic]) -> list[Spec]:
    """The expected ports that are not there and that no other port replaces."""
    there = {nic.mac.lower(): nic for nic in found}
    lacking = [spec for spec in wanted if there.pop(spec["mac"].lower(), None) is None]
    stand_ins = _stand_ins(lacking, "mac", list(there.values()))
    return [spec for spec in lacking if spec["mac"] not in stand_ins]


def infiniband(wanted: list[Spec], found: list[wire.InfinibandPort], pinned: frozenset[str]) -> Iterator[Difference]:
    """Compare InfiniBand ports as `nics` compares network cards. The GUID takes the place of the MAC."""
    listed = [
        wire.Nic(one.name, one.guid, speed_mbit=one.speed_mbit, link=one.link, pci=one.pci, model=one.model)
        for one in found
        if one.guid
    ]
    yield from _ports(_INFINIBAND, wanted, listed, pinned)


def _ports(like: _Like, wanted: list[Spec], found: list[wire.Nic], pinned: frozenset[str]) -> Iterator[Difference]:
    there = {nic.mac.lower(): nic for nic in found}
    pairs = [(spec, there.pop(spec[like.key].lower(), None)) for spec in wanted]
    strangers = list(there.values())
    stand_ins = _stand_ins([spec for spec, nic in pairs if nic is None], like.key, strangers)
    for spec, nic in pairs:
        yield from _nic(like, spec, nic, stand_ins.get(spec[like.key]), pinned)
    for nic in strangers:
        if like is _NIC and ports.has_no_lasting_mac(nic.mac, nic.pci):
            continue  # nobody can expect it
        words = f"{like.words} {nic.model or nic.driver or nic.name}"
        path = f"{like.leaf}[{nic.mac}]"
        yield Part(path, like.kind, nic.mac).unexpected(words, f"{nic.mac}: {words} is not expected")


def _stand_ins(missing: list[Spec], key: str, strangers: list[wire.Nic]) -> dict[str, wire.Nic]:
    """Missing port → the unexpected one that replaces it, which is taken from `strangers`. The fastest expected port
    chooses first. Of several that fit, the slowest is taken: a port that needs no link takes one without a link. One on
    USB comes before all others, since it fits few."""
    taken: dict[str, wire.Nic] = {}
    for spec in sorted(missing, key=lambda spec: -(spec.get("speed_mbit") or 0)):
        fitting = [nic for nic in strangers if _can_stand_in(spec, nic)]
        if fitting:
            taken[spec[key]] = min(fitting, key=lambda nic: (bool(nic.pci), nic.link, nic.speed_mbit or 0))
            strangers.remove(taken[spec[key]])
    return taken


def _nic(
    like: _Like, spec: Spec, nic: wire.Nic | None, stand_in: wire.Nic | None, pinned: frozenset[str]
) -> Iterator[Difference]:
    name = spec[like.key]
    part = Part(f"{like.leaf}[{name}]", like.kind, name, pinned)
    if nic is not None:
        yield from _speed(part, spec.get("speed_mbit"), nic)
        yield from _spare(part, spec, nic) if like is _NIC else ()
    elif stand_in is not None:
        message = f"{stand_in.mac}: {like.words} in place of {name}, replaced"
        yield Part(part.path, like.kind, stand_in.mac, pinned).replaced(name, stand_in.mac, message, like.key)
    else:
        yield part.missing(name, f"{name}: expected {like.words} is missing")


def _speed(part: Part, speed_mbit: int | None, nic: wire.Nic) -> Iterator[Difference]:
    """The speed of a port. If its driver reports none though there is a link, the Network stage measures it."""
    if speed_mbit and not nic.link:
        yield part.less("speed_mbit", speed_mbit, 0, "no link, link speed", "Mbit/s", code="spec.slower")
    elif nic.speed_mbit is not None:
        yield from part.amount("speed_mbit", speed_mbit, nic.speed_mbit, "link speed", "Mbit/s")


def _spare(part: Part, spec: Spec, nic: wire.Nic) -> Iterator[Difference]:
    """A spare port that has a link, and a port without a link of which the spec does not say whether it is spare. Both
    are information, so that a person can adopt what was found. A port on USB (it has no PCI address) is not tested."""
    if spec.get("spare") and nic.link:
        at = f" of {nic.speed_mbit} Mbit/s" if nic.speed_mbit else ""
        message = f"{part.name}: the spec calls this port spare, and it has a link{at}, which is not tested"
        yield part.link("no link", "a link", message)
    elif not nic.link and nic.pci and not any(spec.get(key) for key in ("spare", *ports.OF_LINK)):
        message = f"{part.name}: no link, and the spec does not say whether it is spare"
        yield part.link(None, "no link", message)


def _can_stand_in(spec: Spec, nic: wire.Nic) -> bool:
    """Whether this card can replace the expected one: at least as fast, and not on USB (it has a PCI address)."""
    wanted = spec.get("speed_mbit")
    return (not wanted or (nic.speed_mbit or 0) >= wanted) if nic.pci else _is_renamed(spec, nic)


def _is_renamed(spec: Spec, nic: wire.Nic) -> bool:
    """Whether this port on USB may be the expected one with another MAC. A BMC without a MAC for its own port makes a
    new one up at each start of its own. A card's MAC is the maker's, so a card is never taken for such a port."""
    made_up = ports.is_made_up(spec.get("mac") or "") and ports.is_made_up(nic.mac)
    return made_up and not any(spec.get(key) for key in ports.OF_LINK)


def gpus(wanted: list[Spec], found: list[wire.Gpu], pinned: frozenset[str]) -> Iterator[Difference]:
    """Match GPUs by UUID, then by model. A card without a driver has no UUID, and lspci names its model otherwise than
    a driver does. So it is matched last, with any expected card that is left."""
    left = list(found)
    pairs = _paired(wanted, left, [None] * len(wanted), _same_uuid)
    pairs = _paired(wanted, left, pairs, _same_model)
    pairs = _paired(wanted, left, pairs, _is_nameless)
    for spec, gpu in zip(wanted, pairs, strict=True):
        yield from _gpu(spec, gpu, pinned)
    for gpu in left:
        name, words = gpu.uuid or gpu.pci, f"GPU {gpu.model}".strip()
        yield Part(f"gpus[{name}]", "gpu", name).unexpected(words, f"{name}: {words} is not expected")


def uuids_untold(wanted: list[Spec], found: list[wire.Gpu]) -> bool:
    """Whether the spec names GPUs by UUID, and some GPU here has none."""
    return any(spec.get("uuid") for spec in wanted) and any(not gpu.uuid for gpu in found)


def _gpu(spec: Spec, gpu: wire.Gpu | None, pinned: frozenset[str]) -> Iterator[Difference]:
    name, model = spec.get("uuid") or spec.get("model") or "GPU", spec.get("model") or ""
    part = Part(f"gpus[{name}]", "gpu", name, pinned)
    if gpu is None:
        yield part.missing(name, f"{name}: expected GPU is missing")
    elif not gpu.uuid:
        # Models are compared only if both names are lspci's.
        if _of_the_bus(model) and _of_the_bus(gpu.model) and not _same_model(spec, gpu):
            message = f"{gpu.pci}: GPU {gpu.model} in place of {model}, replaced"
            yield Part(part.path, "gpu", gpu.pci, pinned).replaced(model, gpu.model, message, "model")
    elif gpu.uuid == spec.get("uuid"):
        yield from part.text("model", model, gpu.model, "model")
    elif spec.get("uuid"):
        message = f"{gpu.uuid}: GPU in place of {spec['uuid']}, replaced"
        yield Part(part.path, "gpu", gpu.uuid, pinned).replaced(spec["uuid"], gpu.uuid, message, "uuid")


def _paired(
    wanted: list[Spec], left: list[wire.Gpu], pairs: list[wire.Gpu | None], fits: Callable[[Spec, wire.Gpu], bool]
) -> list[wire.Gpu | None]:
    """For each expected card without a partner, take a fitting one from `left`."""
    return [gpu or _take(left, spec, fits) for spec, gpu in zip(wanted, pairs, strict=True)]


def _take(left: list[wire.Gpu], spec: Spec, fits: Callable[[Spec, wire.Gpu], bool]) -> wire.Gpu | None:
    gpu = next((gpu for gpu in left if fits(spec, gpu)), None)
    if gpu is not None:
        left.remove(gpu)
    return gpu


def _same_uuid(spec: Spec, gpu: wire.Gpu) -> bool:
    return bool(spec.get("uuid")) and gpu.uuid == spec["uuid"]


def _same_model(spec: Spec, gpu: wire.Gpu) -> bool:
    return not spec.get("model") or spec["model"].casefold() == gpu.model.casefold()


def _is_nameless(spec: Spec, gpu: wire.Gpu) -> bool:
    return not gpu.uuid


def _of_the_bus(model: str) -> bool:
    """Whether this is lspci's name of a model, such as `GA100 [A100 PCIe 40GB]`. Drivers use no brackets."""
    return "[" in model
