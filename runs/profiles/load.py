"""Load and check profiles. A profile is a YAML file: which stages a run has, their parameters, limits and time limits.

The shipped ones are in `runs/profiles/`. A file of the same name in `profiles_dir` (vetting.yaml) replaces one. With
`extends`, a profile takes everything from another one and states only what differs. Names have units: `_s` seconds,
`_c` degrees Celsius.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from django.conf import settings
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from hosts import yamllines
from hosts.nearest import did_you_mean
from hosts.yamllines import Document
from runs.judging import sensor_limits
from runs.profiles import semantics
from runs.stages import AGENT_STAGES

SHIPPED = Path(__file__).parent
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_STAGE_NAMES = tuple(stage.name for stage in AGENT_STAGES)
if TYPE_CHECKING:
    _StageName = str
else:  # the names are known once the stages are read; then pydantic refuses any other
    _StageName = Literal[_STAGE_NAMES]

Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Value = Scalar | list[Scalar]
Seconds = Annotated[float, Field(gt=0, le=14 * 86400)]


class ProfileError(ValueError):
    """The profile is wrong; the message names file, line and fix."""


def _sensor_limit(name: str) -> str:
    if not sensor_limits.is_known(name):
        raise ValueError(
            f"no sensor limit: write it like cpu_temp_max_c, or one of {', '.join(sensor_limits.FOR_THE_AGENT)}"
        )
    return name


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StageProfile(Strict):
    """One stage of a profile. `expected_s` is how long it usually takes; by default the sum of the durations in
    `params`."""

    timeout_s: Seconds
    expected_s: Seconds | None = None
    required: list[StrictStr] = []
    params: dict[str, Value] = {}
    limits: dict[str, Value] = {}


class Storage(Strict):
    mode: Literal["read", "write"] = "read"


class Profile(Strict):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    title: Annotated[str, Field(min_length=1, max_length=100)]
    description: str = ""
    on_failure: Literal["hold", "continue"] = "hold"
    storage: Storage = Storage()
    sensors: dict[Annotated[str, AfterValidator(_sensor_limit)], StrictInt | StrictFloat] = {}
    stages: Annotated[dict[_StageName, StageProfile], Field(min_length=1)]


def names() -> list[str]:
    """The names of all profiles, shipped and own, sorted."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.yaml")})


def titles() -> dict[str, str]:
    """The title of each profile, for a choice. A broken file is listed with its error and does not hide the others."""
    return {name: _title(name) for name in names()}


def load(name: str) -> dict[str, Any]:
    """The profile as JSON-ready types, `extends` resolved. Raises ProfileError."""
    data, origins = _merged(name, ())
    return _checked(data, origins, f"profile {name}")


def parse(text: str, source: str) -> dict[str, Any]:
    """A profile from text, e.g. one that an operator is editing. Raises ProfileError."""
    data, origins = _resolved(_document(text, source), ())
    return _checked(data, origins, source)


def apply_overrides(profile: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """A copy with values replaced by dotted path, `{"stages.CPUStress.params.duration_s": 5}`.

    Raises ProfileError for a path that the profile does not have, naming what is there, and for a value of
    another kind than the one it replaces.
    """
    changed = copy.deepcopy(profile)
    for path, value in overrides.items():
        _override(changed, path, value)
    source = f"profile {profile.get('name')} with overrides"
    return _checked(changed, dict.fromkeys(_paths(changed), source), source) if overrides else changed


# --- files ---------------------------------------------------------------------------------------

Origins = dict[yamllines.Path, str]


def _folders() -> list[Path]:
    own = settings.VETTING.profiles_dir
    return [own, SHIPPED] if own else [SHIPPED]


def _find(name: str) -> Path:
    if _NAME.fullmatch(name):
        for folder in _folders():
            if (path := folder / f"{name}.yaml").is_file():
                return path
    raise ProfileError(f"there is no profile {name!r}; there are: {', '.join(names()) or 'none'}")


def _title(name: str) -> str:
    try:
        return str(load(name)["title"])
    except ProfileError as error:
        return f"{name} (broken: {error})"


def _merged(name: str, seen: tuple[str, ...]) -> tuple[dict[str, Any], Origins]:
    """The data of a profile merged over what it extends, and the file and line of each value."""
    if name in seen:
        raise ProfileError(f"profiles extend each other in a circle: {' → '.join((*seen, name))}")
    path = _find(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: cannot be read: {error}") from None
    document = _document(text, str(path))
    if document.data.get("name") != name:
        raise ProfileError(f"{document.where(('name',))}: name must be {name}, as the file is called")
    return _resolved(document, (*seen, name))


def _document(text: str, source: str) -> Document:
    try:
        document = copy.deepcopy(_parsed(text, source))
    except yamllines.YamlError as error:
        raise ProfileError(str(error)) from None
    if not isinstance(document.data, dict):
        raise ProfileError(f"{source}: a profile is a mapping that begins with name: and title:")
    return document


@lru_cache(maxsize=64)
def _parsed(text: str, source: str) -> Document:
    """Cached by its text, so that an edited file is parsed again. PyYAML takes 30 ms for one; pages list all of
    them."""
    return yamllines.parse(text, source)


def _resolved(document: Document, seen: tuple[str, ...]) -> tuple[dict[str, Any], Origins]:
    own = {path: document.where(path) for path in document.lines}
    data = dict(document.data)
    base_name = data.pop("extends", None)
    if base_name is None:
        return data, own
    if not isinstance(base_name, str):
        raise ProfileError(f"{document.where(('extends',))}: extends is the name of one profile")
    try:
        base, origins = _merged(base_name, seen)
    except ProfileError as error:
        raise ProfileError(f"{document.where(('extends',))}: {error}") from None
    return _laid_over(base, data), {**origins, **own}


def _laid_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _laid_over(base[key], value) if both else value
    return merged


# --- checking ---------------------------------------------------------------------------------------


def _checked(data: dict[str, Any], origins: Origins, source: str) -> dict[str, Any]:
    try:
        profile = Profile.model_validate(data).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        raise ProfileError("\n".join(_problems(error, origins, source))) from None
    wrong = [
        *semantics.senseless(profile),
        *semantics.lacking(profile),
    ]
    if wrong:
        lines = (f"{_origin(path, origins, source)}: {'.'.join(path)}: {words}" for path, words in wrong)
        raise ProfileError("\n".join(lines))
    return profile


def _origin(path: tuple[str, ...], origins: Origins, source: str) -> str:
    return next((origins[path[:n]] for n in range(len(path), -1, -1) if path[:n] in origins), source)


def _problems(error: ValidationError, origins: Origins, source: str) -> Iterator[str]:
    """One line per value, however many types the value may have had."""
    told = set()
    for problem in error.errors():
        path = tuple(part for part in problem["loc"] if part != "[key]")
        place = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in origins), ())
        here = path[: len(place) + 1] if problem["type"] == "missing" else place
        name = ".".join(map(str, here)) or "profile"
        if name not in told:
            told.add(name)
            yield f"{origins.get(place, source)}: {name}: {_words(problem)}"


def _words(problem: Any) -> str:
    loc = problem["loc"]
    if problem["type"] == "extra_forbidden":
        keys = StageProfile.model_fields if loc[0] == "stages" else Profile.model_fields
        return f"is not known here{did_you_mean(str(loc[-1]), keys)}"
    if problem["type"] == "missing":
        return "is missing"
    if loc[-1] == "[key]" and problem["type"] == "literal_error":
        return f"is no stage of a profile; stages are {', '.join(_STAGE_NAMES)}{did_you_mean(loc[-2], _STAGE_NAMES)}"
    return f"{problem['msg'].removeprefix('Value error, ')} (given: {problem['input']!r})"


def _override(profile: dict[str, Any], path: str, value: Any) -> None:
    keys = path.split(".")
    here: Any = profile
    for depth, key in enumerate(keys):
        if not isinstance(here, dict) or key not in here:
            _no_such_path(path, keys[:depth], here)
        if depth < len(keys) - 1:
            here = here[key]
    if keys == ["name"]:
        raise ProfileError("override name: a profile keeps its name")
    old = here[keys[-1]]
    if _kind(old) != _kind(value):
        raise ProfileError(f"override {path}: {old!r} can't become {value!r}: give a {_kind(old)}")
    here[keys[-1]] = value


def _paths(data: Any, path: yamllines.Path = ()) -> Iterator[yamllines.Path]:
    """The path of every value in it."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from _paths(value, (*path, key))


def _no_such_path(path: str, walked: list[str], here: Any) -> None:
    keys = f"there are {', '.join(here) or 'no keys'}" if isinstance(here, dict) else f"is the value {here!r}"
    hint = did_you_mean(path.split(".")[len(walked)], here) if isinstance(here, dict) else ""
    raise ProfileError(f"override {path}: no such value; in {'.'.join(walked) or 'the profile'} {keys}{hint}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return next((name for kind, name in _KINDS.items() if type(value) is kind), "value")


_KINDS: dict[type, str] = {str: "text", list: "list", dict: "mapping"}
