"""What a memory test's wrong words blame: the module by the word's address, and its words in the finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent import findings
from agent.contract import wire
from agent.loads.wrong_word import WrongWord
from agent.probes.board import dmiaddresses
from agent.probes.board.dmiaddresses import AddressMap

# How many different words a finding quotes.
QUOTED = 3


@dataclass(frozen=True)
class _Blamed:
    """One module; or several of which one is meant; or none, because of `unknown`."""

    modules: tuple[str, ...] = ()
    interleaved: bool = False
    unknown: str = ""

    @property
    def text(self) -> str:
        if len(self.modules) == 1:
            return self.modules[0]
        if self.modules:
            return f"one of {', '.join(self.modules)}{', interleaved' if self.interleaved else ''}"
        return f"module not known from address ({self.unknown})" if self.unknown else "system"


def miscompared(
    count: int, words: Sequence[WrongWord], first: str, dimms: Sequence[wire.Dimm], addresses: AddressMap
) -> list[wire.Finding]:
    """One finding for each module. `count` is how often the test saw wrong data, of which it printed `words`; `first`
    is its first message, for a test that printed no word. Without addresses the module that is all memory is blamed;
    if there is none, the system."""
    known = [dimm.locator for dimm in dimms]
    only = dmiaddresses.only_module(dimms, addresses.ram)
    if not words:
        blamed = _Blamed((only,)) if only else _Blamed()
        return [_finding(blamed, f"{count} times", count, first)]
    by_blamed: dict[_Blamed, list[WrongWord]] = {}
    for word in words:
        by_blamed.setdefault(_blamed(word, known, only, addresses), []).append(word)
    if len(by_blamed) == 1:
        (blamed,) = by_blamed
        return [_finding(blamed, f"{count} times", count, quoted(words))]
    total = max(count, len(words))
    return [
        _finding(blamed, f"{len(its)} of {total} times", len(its), quoted(its))
        for blamed, its in sorted(by_blamed.items(), key=lambda pair: pair[0].modules)
    ]


def _blamed(word: WrongWord, known: Sequence[str], only: str, addresses: AddressMap) -> _Blamed:
    if named := [name for name in known if name in word.named]:
        return _Blamed(tuple(named))
    of_each = [addresses.modules(address) for address in word.addresses]
    if of_each and all(of_each):
        modules = tuple(sorted({name for modules in of_each for name in modules}))
        return _Blamed(modules, interleaved=any(len(modules) > 1 for modules in of_each))
    if only:
        return _Blamed((only,))
    if not word.addresses:
        return _Blamed(unknown="its physical address was not read")
    return _Blamed(unknown=addresses.unknown or "the firmware gives its address to no module")


def quoted(words: Sequence[WrongWord]) -> str:
    """The first few different words, and how many more there are."""
    times = Counter((word.addresses, word.where) for word in words)
    first = {(word.addresses, word.where): word for word in reversed(words)}
    places = list(times)
    said = [f"{first[place].text}{_often(times[place])}" for place in places[:QUOTED]]
    if len(places) > QUOTED:
        said.append(f"and at {len(places) - QUOTED} more addresses")
    return "; ".join(said)


def _often(times: int) -> str:
    return f" ({times} times)" if times > 1 else ""


def _finding(blamed: _Blamed, often: str, value: int, said: str) -> wire.Finding:
    message = f"{often} memory gave back other data than was written: {said}"
    if blamed.text != "system":
        message = f"{blamed.text}: {message}"
    kind, name = ("dimm", blamed.modules[0]) if len(blamed.modules) == 1 else ("system", "system")
    return findings.make("memory.miscompare", kind, name, message, value=float(value), limit=0.0)
