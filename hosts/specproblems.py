"""What is wrong with an expected spec, in one line per problem, each with its line in the text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pydantic import ValidationError

from hosts import bounds, parts, specpaths, yamllines
from hosts.specpaths import Table

Spec = dict[str, Any]
MAX_PROBLEMS = 20


def of_shape(error: ValidationError, document: yamllines.Document, known: Table) -> str:
    """Unknown keys, and values of a wrong type."""
    return _listed(_problem(problem, document, known) for problem in error.errors())


def of_names(spec: Spec, document: yamllines.Document) -> str:
    """Parts with the same name; empty if all differ."""
    return _listed(f"{document.where(path)}: {words}" for path, words in _twice(spec))


def of_pins(spec: Spec, document: yamllines.Document, known: Table) -> str:
    """Pinned paths that lead to no text; empty if all do. Such a pin would have no effect, and nobody would notice."""
    whys = ((n, pin, specpaths.why_not_pinned(pin, spec, known)) for n, pin in enumerate(spec.get("pinned") or []))
    return _listed(f"{document.where(('pinned', n))}: pinned: {pin!r} {why}" for n, pin, why in whys if why)


def _listed(problems: Iterable[str]) -> str:
    """Only the first problems are listed, since the search for a similar word takes time."""
    found = [bounds.ANSWER.cut(problem) for problem in islice(problems, MAX_PROBLEMS + 1)]
    return "\n".join([*found[:MAX_PROBLEMS], *(["and more like these"] if len(found) > MAX_PROBLEMS else [])])


def _problem(problem: Any, document: yamllines.Document, known: Table) -> str:
    path = tuple(part for part in problem["loc"] if part != "[key]")
    where = document.where(path) if document.lines else document.source
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "spec"
    if problem["type"] == "extra_forbidden":
        return f"{where}: {name} is not known; {specpaths.known_instead(path, known)}"
    if problem["type"] == "missing":
        return f"{where}: {name} is missing"
    hint = "; put it in quotes" if problem["type"] == "string_type" else ""
    given = f" (given: {bounds.quoted(problem['input'])})" if isinstance(problem["input"], str | int | float) else ""
    return f"{where}: {name}: {problem['msg'].removeprefix('Value error, ')}{hint}{given}"


def _twice(spec: Spec) -> Iterator[tuple[yamllines.Path, str]]:
    """Report parts that have the same name."""
    for kind in parts.LISTS.values():
        entries, key = kind.within(spec) or [], kind.keys[0]
        counted = Counter(entry[key] for entry in entries if entry.get(key))
        for n, entry in enumerate(entries):
            if counted.get(entry.get(key), 0) > 1:
                yield (
                    (*kind.path.split("."), n),
                    f"{key} {entry[key]} stands {counted[entry[key]]} times in {kind.path}",
                )
