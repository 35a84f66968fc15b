"""Who may import whom. `runs` never calls outward; the agent knows nothing of the server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.contract.stages import SPECS
from tests.architecture import imports
from tests.architecture.imports import Import

CONTRACT = "agent.contract"
"""What the server may know of the agent: the messages, the registry of finding codes, and what is no serial number."""

MAY_IMPORT: dict[str, set[str]] = {
    "agent": set(),
    "hosts": {"agent"},
    "runs": {"hosts", "agent"},
    "agentapi": {"runs", "hosts", "agent"},
    "restapi": {"runs", "hosts", "agent"},
    "pxe": {"runs", "hosts", "agent"},
    "notifications": {"runs", "hosts", "agent"},
    "vetting": {"agentapi", "hosts", "notifications", "pxe", "restapi", "runs", "agent"},
}


def is_contract(one: Import) -> bool:
    return one.name == CONTRACT or one.name.startswith(f"{CONTRACT}.")


def is_spec(one: Import) -> bool:
    """What a stage says of itself: `agent.stages.<folder>.spec`."""
    return re.match(r"agent\.stages\.\w+\.spec\b", one.name) is not None


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    wrong = [one for one in imports.ours(package) if one.package not in MAY_IMPORT[package]]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("package", [package for package in MAY_IMPORT if package != "agent"])
def test_of_the_agent_the_server_imports_the_contract_only(package: str) -> None:
    wrong = [one for one in imports.ours(package) if one.package == "agent" and not is_contract(one)]
    assert not wrong, "\n".join(map(str, wrong))


def test_the_hosts_know_no_more_of_the_agent_than_what_is_no_serial_number() -> None:
    assert {one.name for one in imports.ours("hosts") if one.package == "agent"} <= {
        "agent.contract.placeholders",
        "agent.contract.placeholders.is_no_name",
        "agent.contract.placeholders.is_placeholder",
    }


@pytest.mark.parametrize("package", ["agent"])
def test_the_agent_is_standard_library_only(package: str) -> None:
    found = [one for path in imports.files(package) for one in imports.of(path)]
    wrong = [one for one in found if one.package != package and one.package not in sys.stdlib_module_names]
    assert not wrong, "\n".join(map(str, wrong))


AGENT_ORDER = (
    "contract", "parsing", "findings", "host", "probes", "sensors", "link", "counters", "stage", "reports",
    "loads", "core_screen", "exercises", "disk_writes", "runtime", "attempt", "tester_proof", "stages",
    "stage_functions", "events", "retrying", "attempt_runner", "hold_keeper", "session", "judge", "__main__",
)  # fmt: skip
"""Folders and modules of the agent: each imports only what stands before it, and itself."""


def _below_agent(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def test_the_agents_folders_import_only_what_stands_before_them() -> None:
    wrong = []
    for path in imports.files("agent"):
        own = path.relative_to(imports.ROOT / "agent").with_suffix("").parts[0]
        if own != "__init__":
            known = {*AGENT_ORDER[: AGENT_ORDER.index(own) + 1], "__init__"}
            found = [one for one in imports.of(path) if one.package == "agent" and not is_spec(one)]
            wrong += [one for one in found if _below_agent(one.name) not in known]
    assert not wrong, "\n".join(map(str, wrong))


def test_no_stage_imports_another() -> None:
    wrong = []
    for folder in (imports.ROOT / "agent/stages").iterdir():
        for path in folder.rglob("*.py"):
            found = [one for one in imports.of(path) if one.name.startswith("agent.stages.") and not is_spec(one)]
            wrong += [one for one in found if one.name.split(".")[2] != folder.name]
    assert not wrong, "\n".join(map(str, wrong))


def test_what_only_one_stage_does_lies_in_its_folder() -> None:
    """A module of `agent/exercises` serves two stages or more, or a stage and another folder."""
    graph = imports.modules("agent")
    exercises = {name for name in graph if name.startswith("agent.exercises.")}
    users: dict[str, set[str]] = {name: set() for name in exercises}
    for name in graph.keys() - exercises - {"agent.judge"}:
        place = ".".join(name.split(".")[:3])
        for one in graph[name] & exercises:
            for used in {one, *imports.reached(one, graph)} & exercises:
                users[used].add(place)
    assert {name: places for name, places in users.items() if len(places) < 2} == {}


def test_a_stages_spec_imports_the_contract_and_other_specs_only() -> None:
    """The orchestrator reads the specs through the contract: what they import it would import, too."""
    wrong = []
    for path in sorted((imports.ROOT / "agent/stages").glob("*/spec.py")):
        found = [one for one in imports.of(path) if one.package not in sys.stdlib_module_names]
        wrong += [one for one in found if not is_contract(one) and not is_spec(one)]
    assert not wrong, "\n".join(map(str, wrong))


def test_what_python_runs_on_the_way_to_a_spec_is_empty() -> None:
    packages = [imports.ROOT / "agent/stages", *(imports.ROOT / "agent/stages").glob("*/")]
    assert [str(one) for one in packages if one.name != "__pycache__" and (one / "__init__.py").read_text()] == []


def test_the_contract_brings_no_module_of_the_agent_but_specs_into_the_server() -> None:
    program = "import sys, agent.contract.stages; print(*sorted(name for name in sys.modules if name[:5] == 'agent'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=imports.ROOT, capture_output=True, text=True, check=True)
    packages = {"agent", "agent.stages", *(f"agent.stages.{spec.folder}" for spec in SPECS.values())}
    loaded = set(done.stdout.split()) - packages
    assert {name for name in loaded if not name.startswith(CONTRACT)} == {
        f"agent.stages.{spec.folder}.spec" for spec in SPECS.values()
    }


RUNS_NOUNS = ("stages", "machine", "models", "querysets", "tokens", "disk_writes", "frozen_profile")
"""What a run is. Everything in `runs` may import these."""

RUNS_BELOW = ("wording", "database", "measurements", "files", "bench", "judging", "profiles")
"""Folders that the life of a run calls: each imports the nouns and what stands before it."""

RUNS_ABOVE = ("reports", "invariants", "desk", "inventory", "live", "management", "admin")
"""What looks at runs from outside: each imports the whole life of a run and what stands before it."""


def test_the_folders_of_runs_import_only_what_stands_before_them() -> None:
    wrong = []
    for path in imports.files("runs"):
        own = path.relative_to(imports.ROOT / "runs").with_suffix("").parts[0]
        found = [one for one in imports.of(path) if one.package == "runs" and "." in one.name]
        wrong += [one for one in found if not _may_import_in_runs(own, one.name.split(".")[1])]
    assert not wrong, "\n".join(map(str, wrong))


def _may_import_in_runs(own: str, other: str) -> bool:
    if own in RUNS_NOUNS:
        return other in (*RUNS_NOUNS, "wording")
    if own in RUNS_BELOW:
        return other in (*RUNS_NOUNS, *RUNS_BELOW[: RUNS_BELOW.index(own) + 1])
    if own in RUNS_ABOVE:
        return other not in RUNS_ABOVE[RUNS_ABOVE.index(own) + 1 :]
    return other not in RUNS_ABOVE


def test_no_modules_import_each_other() -> None:
    """Imports in functions included. Models and their queries are one subject."""
    for package in imports.OURS:
        assert imports.cycles(package) in ([], [["runs.models", "runs.querysets"]]), package


def test_the_contract_stands_alone() -> None:
    found = [one for path in imports.files("agent/contract") for one in imports.of(path)]
    wrong = [one for one in found if one.package not in sys.stdlib_module_names and not is_contract(one)]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("module", ["runs/machine.py", "runs/stages.py"])
def test_the_table_knows_no_framework(module: str) -> None:
    wrong = [one for one in imports.of(imports.ROOT / module) if one.package == "django" or "models" in one.name]
    assert not wrong, "\n".join(map(str, wrong))


def test_only_transition_writes_the_state_of_a_run() -> None:
    """A `state=` in an update, or an assignment to `.state`, in any other module of the server."""
    assert imports.writes_state(imports.ROOT / "runs/transition.py"), "the one that writes it must be noticed"
    wrong = []
    for package in ("runs", "agentapi", "restapi", "pxe", "notifications", "hosts", "vetting"):
        for path in imports.files(package):
            if path.relative_to(imports.ROOT).as_posix() != "runs/transition.py":
                wrong += imports.writes_state(path)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("django_eventstream", {"runs/live/stream.py", "runs/live/serving.py", "vetting/settings.py"}),
        ("django_q", {"runs/jobs.py", "vetting/rounds.py", "vetting/taskqueue.py"}),
    ],
)
def test_a_package_that_may_have_to_go_is_known_in_few_places(name: str, who: set[str]) -> None:
    found = [one for package in imports.OURS for path in imports.files(package) for one in imports.of(path)]
    users = {one.path.relative_to(imports.ROOT).as_posix() for one in found if one.package == name}
    assert {path for path in users if "management" not in path} <= who


def test_the_environment_is_read_in_the_settings_only() -> None:
    """`PATH` is the system's, and no setting of ours."""
    readers = {
        path.relative_to(imports.ROOT).as_posix()
        for package in ("agentapi", "hosts", "notifications", "pxe", "restapi", "runs", "vetting")
        for path in imports.files(package)
        if imports.environment_read(path) - {"PATH"}
    }
    assert readers <= {"vetting/settings.py"}


def test_a_forbidden_import_inside_a_function_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "bad.py").write_text("def lazy():\n    from pxe import ipxe\n    import agent.session\n")
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    assert [(one.line, one.name) for one in imports.ours("runs")] == [(2, "pxe.ipxe"), (3, "agent.session")]
