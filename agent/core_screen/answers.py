"""Compares the answers of all cores, and says which core gave a wrong one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.core_screen.known_answers import KNOWN
from agent.core_screen.operations import REFUTED

Key = tuple[str, int]
# Core → operation and seed → answer → how often it came.
Answers = Mapping[int, Mapping[Key, Counter[str]]]
MAJORITY_OF = 3


@dataclass(frozen=True)
class Wrong:
    """A core's wrong answers of one operation: the first one, and how many of how many were wrong."""

    core: int
    operation: str
    seed: int
    expected: str
    found: str
    times: int
    of: int


@dataclass(frozen=True)
class Undecided:
    """Cores that give different answers, of which none is known to be the right one."""

    cores: list[int]
    operation: str
    seed: int
    found: list[str]


@dataclass(frozen=True)
class Doubted:
    """A wrong answer that all of `cores` cores give: not one ever gave a right one. `expected` is empty if the answer
    refutes itself."""

    operation: str
    seed: int
    expected: str
    found: str
    cores: int


def compare(answers: Answers) -> tuple[list[Wrong], list[Undecided]]:
    """The wrong answers by core and operation, and the disagreements that could not be decided."""
    keys = list(dict.fromkeys(key for told in answers.values() for key in told))
    truths = {key: common_wrong(key, told) or truth(key, told) for key in keys if (told := _of_key(answers, key))}
    wrong = [one for core in answers for one in _wrong_of(core, answers[core], truths)]
    blamed = {one.core for one in wrong}
    undecided = [one for key in keys if not truths[key] for one in _undecided(key, _of_key(answers, key), blamed)]
    return wrong, undecided


def doubted(answers: Answers) -> list[Doubted]:
    """The operations, each with its first seed, of which all cores give the same wrong answer. Then the library, the
    microcode or the known answer is wrong far more probably than each core."""
    found: dict[str, Doubted] = {}
    for key in dict.fromkeys(key for told in answers.values() for key in told):
        told = _of_key(answers, key)
        if text := common_wrong(key, told):
            found.setdefault(key[0], Doubted(*key, KNOWN.get(key, ""), text, len(told)))
    return list(found.values())


def common_wrong(key: Key, told: Mapping[int, Counter[str]]) -> str:
    """The wrong answer that every one of three cores or more gives most often, if none ever gave a right one; else
    empty. Two processors may be the threads of one core, and share its fault."""
    votes = {_vote(texts) for texts in told.values()}
    if len(told) < MAJORITY_OF or len(votes) > 1:
        return ""
    is_possible = any(not is_wrong(text, KNOWN.get(key, "")) for texts in told.values() for text in texts)
    return "" if is_possible else votes.pop()


def truth(key: Key, told: Mapping[int, Counter[str]]) -> str:
    """The right answer: the known one; else that of more than half of three cores or more; of two cores, the only one
    that both gave; of one core, the one that it gave more often than all others together. Empty if there is none."""
    if key in KNOWN:
        return KNOWN[key]
    if len(told) < MAJORITY_OF:
        common = set.intersection(*(_unrefuted(texts) for texts in told.values())) if told else set()
        if len(told) == 1:
            (texts,) = told.values()
            common = {text for text in common if 2 * texts[text] > texts.total()}
        return next(iter(common)) if len(common) == 1 else ""
    votes = Counter(_vote(texts) for texts in told.values())
    best, times = votes.most_common(1)[0]
    return best if 2 * times > len(told) and not best.startswith(REFUTED) else ""


def is_wrong(text: str, expected: str) -> bool:
    """`expected` is empty if it is not known. It refutes itself if all cores do: see `common_wrong`."""
    return text != expected if expected else text.startswith(REFUTED)


def _of_key(answers: Answers, key: Key) -> dict[int, Counter[str]]:
    return {core: told[key] for core, told in answers.items() if key in told}


def _unrefuted(texts: Counter[str]) -> set[str]:
    return {text for text in texts if not text.startswith(REFUTED)}


def _vote(texts: Counter[str]) -> str:
    return texts.most_common(1)[0][0]


def _wrong_of(core: int, told: Mapping[Key, Counter[str]], truths: Mapping[Key, str]) -> Iterator[Wrong]:
    """One for each operation."""
    found: dict[str, list[Wrong]] = {}
    total: Counter[str] = Counter()
    for (operation, seed), texts in told.items():
        total[operation] += texts.total()
        expected = truths[operation, seed]
        for text, times in texts.items():
            if is_wrong(text, expected):
                found.setdefault(operation, []).append(Wrong(core, operation, seed, expected, text, times, times))
    for operation, rows in found.items():
        first = rows[0]
        times = sum(row.times for row in rows)
        yield Wrong(core, operation, first.seed, first.expected, first.found, times, total[operation])


def _undecided(key: Key, told: Mapping[int, Counter[str]], blamed: set[int]) -> Iterator[Undecided]:
    """A core that is blamed for another answer is left out: it explains the disagreement."""
    rest = {core: texts for core, texts in told.items() if core not in blamed}
    texts = sorted({text for texts in rest.values() for text in texts})
    if len(texts) > 1:
        yield Undecided(list(rest), *key, texts[:4])
