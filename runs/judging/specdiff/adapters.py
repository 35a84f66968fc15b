"""Compare storage adapters, accelerators, and InfiniBand and network cards without ports: by serial number, else by
model and number. The spec names no slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from agent.contract import wire
from runs.judging.specdiff.difference import Difference, Part, Spec


def adapters(wanted: list[Spec], found: list[wire.Adapter], pinned: frozenset[str]) -> Iterator[Difference]:
    """Cards with the expected serial number are matched first. Then a missing card is replaced by one of its model."""
    left = list(found)
    exact = [_take(left, partial(_is_it, spec)) for spec in wanted]
    for spec, adapter in zip(wanted, exact, strict=True):
        name = spec.get("serial") or spec["model"]
        part = Part(f"adapters[{name}]", "adapter", name, pinned)
        if adapter is not None:
            yield from part.text("model", spec.get("model"), adapter.model, "model")
        elif (stand_in := _take(left, partial(_same_model, spec))) is None:
            yield part.missing(
                name, f"{name}: expected {spec.get('model') or 'adapter'} is missing{_instead(spec, left)}"
            )
        elif spec.get("serial") and stand_in.serial:
            message = f"{stand_in.serial}: {stand_in.model} in place of {spec['serial']}, replaced"
            yield Part(part.path, "adapter", stand_in.serial, pinned).replaced(spec["serial"], stand_in.serial, message)
    for adapter in left:
        name, words = adapter.serial or adapter.slot, _in_words(adapter)
        yield Part(f"adapters[{name}]", "adapter", name).unexpected(words, f"{name}: {words} is not expected")


def _take(left: list[wire.Adapter], fits: Callable[[wire.Adapter], bool]) -> wire.Adapter | None:
    adapter = next((one for one in left if fits(one)), None)
    if adapter is not None:
        left.remove(adapter)
    return adapter


def _in_words(adapter: wire.Adapter) -> str:
    if adapter.kind == wire.HIDDEN_DRIVES:
        return f"storage adapter {adapter.model} at {adapter.slot}, whose drives are hidden,"
    return f"{adapter.kind} adapter {adapter.model} at {adapter.slot}"


def _instead(spec: Spec, left: list[wire.Adapter]) -> str:
    """For a card that is called missing: says that it is there, and that its drives are hidden or are not hidden,
    against the spec. Empty if no such card is there."""
    other = next((one for one in left if _has_number(spec, one) or (spec.get("model") and _has_model(spec, one))), None)
    if other is None:
        return ""
    are = "are hidden" if other.kind == wire.HIDDEN_DRIVES else "are not hidden"
    return f": {other.slot} is one, and the drives behind it {are}"


def _is_it(spec: Spec, adapter: wire.Adapter) -> bool:
    return _has_number(spec, adapter) and _hides_as_expected(spec, adapter)


def _same_model(spec: Spec, adapter: wire.Adapter) -> bool:
    return _has_model(spec, adapter) and _hides_as_expected(spec, adapter)


def _has_number(spec: Spec, adapter: wire.Adapter) -> bool:
    return bool(adapter.serial) and adapter.serial == spec.get("serial")


def _has_model(spec: Spec, adapter: wire.Adapter) -> bool:
    return not spec.get("model") or spec["model"].casefold() == adapter.model.casefold()


def _hides_as_expected(spec: Spec, adapter: wire.Adapter) -> bool:
    """A card whose drives are hidden does not stand for one that works."""
    return bool(spec.get("hidden_drives")) == (adapter.kind == wire.HIDDEN_DRIVES)
