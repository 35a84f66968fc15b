"""How long a run should take on a particular host: it scales with what the host has, and the profile caps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agent.contract import codec, wire
from agent.contract.host_facts import FILLING_S_PER_GIB, START_S, TIMEOUT_LEEWAY
from agent.contract.host_facts import DiskFacts as Disk
from agent.contract.host_facts import HostFacts as Machine
from agent.stages.memory.spec import MEMTESTER_S_PER_GIB
from agent.stages.network.spec import PER_PORT_S
from hosts.models import Host
from runs import answers, freeze, lifecycle, stage_rows
from runs.machine import State
from runs.models import Outcome
from runs.profiles import durations, estimate
from runs.profiles import load as profiles
from runs.wording.formatting import off_by
from tests import factories
from tests.factories import HostFactory
from tests.pages import as_read

SERVER = Machine(
    memory_mb=64 * 1024,
    disks=(Disk("N1", "nvme", 953_869), Disk("N2", "nvme", 953_869)),
    ports=2,
    threads=32,
    writable=frozenset({"N1"}),
)


def seconds(stage: str, machine: Machine, profile: str = "deep") -> float:
    return estimate.stage_s(stage, profiles.load(profile), machine)


def test_more_memory_takes_longer_up_to_the_profiles_cap() -> None:
    deep = profiles.load("deep")["stages"]["Memory"]["params"]
    small, large, huge = (seconds("Memory", replace(SERVER, memory_mb=gib * 1024)) for gib in (2, 8, 4096))
    assert small < large < huge
    bits_s = MEMTESTER_S_PER_GIB * deep["memtester_max_mb"] / 1024
    testable_gib = 4096 * (1 - deep["reserve_percent"] / 100)
    filled_s = FILLING_S_PER_GIB * testable_gib
    assert huge == pytest.approx(START_S + deep["max_duration_s"] + filled_s + bits_s)


def test_a_burn_begins_when_its_memory_is_filled_and_ends_when_it_was_checked() -> None:
    tb = replace(SERVER, memory_mb=1 << 20)
    params = profiles.load("quick")["stages"]["Burn"]["params"]
    filled_s = FILLING_S_PER_GIB * 1024 * params["memory_percent"] / 100
    assert seconds("Burn", tb, "quick") == pytest.approx(START_S + params["duration_s"] + filled_s)


def test_disks_are_read_side_by_side_so_the_slowest_decides() -> None:
    one = replace(SERVER, disks=SERVER.disks[:1])
    with_hdd = replace(SERVER, disks=(*SERVER.disks, Disk("H1", "hdd", 1_907_348)))
    speed = 2 * profiles.load("deep")["stages"]["Storage"]["params"]["speed_s"]
    assert seconds("Storage", SERVER) - seconds("Storage", one) == pytest.approx(speed)
    assert seconds("Storage", with_hdd) == pytest.approx(START_S + 2_000_000 / 160 + 3 * speed, rel=1e-3)


def test_a_disk_larger_than_a_night_is_capped() -> None:
    params = profiles.load("soak")["stages"]["Storage"]["params"]
    huge = replace(SERVER, disks=(Disk("H1", "hdd", 30_000_000),))
    assert seconds("Storage", huge, "soak") == START_S + params["surface_max_s"] + 2 * params["speed_s"]


@pytest.mark.parametrize(("disks", "seconds_of_surface"), [(2, 25_000), (12, 25_000), (24, 48_000), (60, 120_000)])
def test_hard_disks_that_share_a_link_take_longer_and_the_stage_has_the_time(
    disks: int, seconds_of_surface: float
) -> None:
    """4 TB at 160 MB/s, but not more than 2000 MB/s for all of them."""
    many = replace(SERVER, disks=tuple(Disk(f"H{number}", "hdd", 4_000_000_000_000 >> 20) for number in range(disks)))
    deep = profiles.load("deep")
    left = estimate.planned(deep, many)["stages"]["Storage"]
    others = START_S + 2 * deep["stages"]["Storage"]["params"]["speed_s"] * disks
    waits = estimate.stage_s("Storage", deep, many) - others - seconds_of_surface
    tested_s = many.disks[0].seconds(many.disks[0].size_mb)
    meanwhile = seconds("CPUStress", many) + seconds("Memory", many)
    assert waits == pytest.approx(max(0.0, tested_s - meanwhile), abs=2)
    assert left["timeout_s"] >= 1.2 * left["expected_s"]


def test_a_short_reading_of_very_many_disks_goes_on_until_enough_is_read() -> None:
    params = profiles.load("quick")["stages"]["Storage"]["params"]
    many = replace(SERVER, disks=tuple(Disk(f"H{number}", "hdd", 4_000_000) for number in range(120)))
    shared_s = 120 * 8192 * 1.048576 / 2000
    expected_s = START_S + shared_s / 4 + 2 * params["speed_s"] * 120
    assert seconds("Storage", many, "quick") == pytest.approx(expected_s)
    assert shared_s / 4 > params["surface_max_s"]


def test_a_self_test_in_the_background_costs_what_is_left_of_it_when_storage_begins() -> None:
    slow = replace(SERVER, disks=(Disk("H1", "hdd", 15_000_000),))
    meanwhile = seconds("CPUStress", slow, "soak") + seconds("Memory", slow, "soak")
    left = slow.disks[0].seconds(15_000_000) - meanwhile
    assert left > 0
    surface = slow.disks[0].seconds(15_000_000)
    assert seconds("Storage", slow, "soak") == pytest.approx(START_S + left + surface + 60)
    assert seconds("SMART", slow, "soak") == START_S


def test_more_cores_take_longer_one_by_one_up_to_the_cap() -> None:
    few, many, very_many = (seconds("CPUStress", replace(SERVER, threads=threads)) for threads in (2, 8, 512))
    params = profiles.load("deep")["stages"]["CPUStress"]["params"]
    assert many - few == 6 * params["core_s"]
    assert very_many - few == params["cores_max_s"] - 2 * params["core_s"]


def test_a_sample_takes_as_long_on_every_size_of_disk() -> None:
    small, large = (
        seconds("Storage", replace(SERVER, disks=(Disk("H1", "hdd", size_mb),)), "quick")
        for size_mb in (1_000_000, 20_000_000)
    )
    assert small == large


def test_only_disks_that_may_be_written_take_time_for_writing() -> None:
    written = seconds("Storage", SERVER, "deep-write") - seconds("Storage", SERVER, "deep")
    assert written == pytest.approx(3 * 65536 * 1.048576 / 2000)
    assert seconds("Storage", replace(SERVER, writable=frozenset()), "deep-write") == seconds("Storage", SERVER, "deep")


def test_each_port_takes_its_own_time() -> None:
    one, four = (seconds("Network", replace(SERVER, ports=ports), "quick") for ports in (1, 4))
    assert four - one == pytest.approx(3 * (3 * 10 + 1000 * 0.01 + PER_PORT_S))


def test_a_stage_that_is_not_expected_on_the_host_takes_no_time() -> None:
    assert seconds("GPU", replace(SERVER, not_expected=frozenset({"gpu"}))) == 0


LARGE = replace(
    SERVER,
    memory_mb=4 << 20,
    ports=8,
    threads=512,
    disks=tuple(Disk(f"H{number}", "hdd", 20_000_000) for number in range(24)),
)


@pytest.mark.parametrize("name", profiles.names())
def test_no_stage_of_a_large_host_reaches_its_time_out(name: str) -> None:
    """Also in its first run, when nobody knows yet how large it is."""
    profile = profiles.load(name)
    late = {
        stage: (seconds(stage, LARGE, name), stage_of["timeout_s"])
        for stage, stage_of in profile["stages"].items()
        if seconds(stage, LARGE, name) > stage_of["timeout_s"]
    }
    assert not late


def test_the_time_out_of_a_giant_grows_with_what_it_should_take() -> None:
    giant = replace(LARGE, ports=64, memory_mb=16 << 20)
    profile = profiles.load("quick")
    for name, stage in estimate.planned(profile, giant)["stages"].items():
        assert stage["timeout_s"] >= TIMEOUT_LEEWAY * seconds(name, giant, "quick") - 1
        assert stage["timeout_s"] >= profile["stages"][name]["timeout_s"]
    assert seconds("Network", giant, "quick") > profile["stages"]["Network"]["timeout_s"]


@pytest.mark.parametrize(("name", "hours"), [("quick", (0.1, 0.34)), ("deep", (8, 12)), ("soak", (36, 40))])
@pytest.mark.parametrize(
    "disks",
    [
        SERVER.disks,
        (Disk("S1", "ssd", 1_907_729), Disk("S2", "ssd", 1_907_729)),
        (Disk("H1", "hdd", 1_907_348), Disk("H2", "hdd", 1_907_348)),
    ],
    ids=lambda disks: disks[0].kind,
)
def test_the_shipped_profiles_take_what_they_say_on_a_usual_server(
    name: str, hours: tuple[float, float], disks: tuple[Disk, ...]
) -> None:
    planned = estimate.planned(profiles.load(name), replace(SERVER, disks=disks))
    assert hours[0] <= estimate.total_s(planned) / 3600 <= hours[1]


@pytest.mark.parametrize("terabytes", [4, 8, 24])
def test_a_large_hard_disk_makes_deep_longer_than_a_night_and_it_is_said(terabytes: int) -> None:
    large = (Disk("H1", "hdd", terabytes * 10**12 // 2**20),)
    hours = estimate.total_s(estimate.planned(profiles.load("deep"), replace(SERVER, disks=large))) / 3600
    assert 15.5 <= hours <= 17.5
    page = (Path(profiles.__file__).parents[2] / "docs/stages.md").read_text()
    assert "16 to 17 hours with a hard disk of 4 TB or more." in page


@pytest.mark.parametrize("lacking", ["per_gib_s", "max_duration_s"])
def test_a_profile_that_lacks_something_is_estimated_by_its_own_word(lacking: str) -> None:
    profile = profiles.load("deep")
    del profile["stages"]["Memory"]["params"][lacking]
    assert estimate.stage_s("Memory", profile, SERVER) == profile["stages"]["Memory"]["expected_s"]


@pytest.mark.parametrize(("name", "patterns"), [("quick", 0), ("deep", 4), ("soak", 8)])
def test_the_kernels_early_test_makes_the_boot_of_a_large_host_longer(name: str, patterns: int) -> None:
    """A quarter of a second for each GiB and pattern."""
    plan = estimate.planned(profiles.load(name), replace(SERVER, memory_mb=512 * 1024))
    assert plan["boot_s"] == estimate.BOOT_S + patterns * 512 * 0.25
    assert estimate.total_s(plan) == plan["boot_s"] + sum(durations.plan(plan).values())


def test_a_profile_without_memory_has_no_early_test() -> None:
    profile = profiles.load("deep")
    del profile["stages"]["Memory"]
    assert estimate.planned(profile, SERVER)["boot_s"] == estimate.BOOT_S


def _host(**fields: Any) -> Host:
    return HostFactory(**fields)


@pytest.mark.django_db
def test_of_a_host_that_nobody_knows_the_profiles_own_word_stands() -> None:
    host = _host(expected=None)
    assert estimate.machine_of(host) is None
    assert estimate.of_host(host, profiles.load("deep")) == estimate.total_s(profiles.load("deep"))


@pytest.mark.django_db
def test_a_host_is_known_by_its_spec_before_it_was_ever_seen() -> None:
    spec = {
        "memory": {"total_mb": 2048},
        "disks": [{"serial": "S1", "bus": "sata", "size_mb": 1000}, {"serial": "V1", "bus": "virtio", "size_mb": 10}],
        "nics": [{"mac": "52:54:00:00:00:01"}],
        "cpu": {"cores": 4},
    }
    machine = estimate.machine_of(_host(expected=spec))
    assert machine == Machine(2048, (Disk("S1", "hdd", 1000), Disk("V1", "virtual", 10, tests_itself=False)), 1, 4)


@pytest.mark.django_db
def test_what_was_promised_is_frozen_into_the_run() -> None:
    host = _host(expected={"memory": {"total_mb": 2048}})
    frozen = freeze.frozen(host, profiles.load("quick"))["profile"]
    assert durations.plan(frozen) == durations.plan(estimate.planned(profiles.load("quick"), estimate.machine_of(host)))
    assert durations.plan(frozen)["Memory"] != durations.plan(profiles.load("quick"))["Memory"]


@pytest.mark.django_db
@pytest.mark.parametrize("known", [None, {"memory": {"total_mb": 64 << 10}}], ids=["never seen", "was smaller"])
def test_a_stage_may_take_as_long_as_the_host_needs_that_the_run_itself_has_found(known: dict[str, Any] | None) -> None:
    """A host of 12 TiB, queued when nobody knew that: its memory is filled and checked for longer than the time-out."""
    run = lifecycle.start_run(_host(expected=known), profile_name="quick", who="test")
    frozen_s = run.profile["stages"]["Memory"]["timeout_s"]
    run.inventory = codec.encode(wire.Inventory(memory=wire.Memory(total_mb=12 << 20)))
    run.state = State.MEMORY
    run.save(update_fields=["inventory", "state"])
    needed_s = estimate.stage_s("Memory", run.profile, replace(SERVER, memory_mb=12 << 20))
    assert needed_s > frozen_s
    row = stage_rows.open_attempt(run)
    assert row.timeout_s == pytest.approx(TIMEOUT_LEEWAY * needed_s, abs=1)
    row.go_at = timezone.now() - timedelta(seconds=5000)
    row.save(update_fields=["go_at"])
    assert stage_rows.restart_clock(row), "an agent that was restarted gets the whole time again"
    assert row.timeout_s == pytest.approx(5000 + TIMEOUT_LEEWAY * needed_s, abs=60)
    told = {order.name: order.timeout_s for order in answers.stage_orders(run)}
    assert told["Memory"] == pytest.approx(TIMEOUT_LEEWAY * needed_s, abs=1), "the agent knows it as well"


@pytest.mark.django_db
@pytest.mark.parametrize("inventory", [None, codec.encode(wire.Inventory(memory=wire.Memory(total_mb=64 << 10)))])
def test_a_host_that_needs_no_more_time_keeps_the_frozen_time_out(inventory: dict[str, Any] | None) -> None:
    run = lifecycle.start_run(_host(expected=None), profile_name="quick", who="test")
    run.inventory = inventory
    for name, stage in run.profile["stages"].items():
        assert estimate.timeout_of_run_s(run, name) == stage["timeout_s"]
    assert estimate.timeout_of_run_s(run, "SpecValidate") == 0


@pytest.mark.django_db
def test_a_run_that_writes_has_the_time_for_the_disks_that_it_may_write() -> None:
    run = lifecycle.start_run(_host(expected=None), profile_name="deep", who="test")
    disk = wire.Disk("sda", "S1", "", "sata", 20_000_000, rotational=True)
    run.inventory = codec.encode(wire.Inventory(disks=[disk]))
    run.profile["storage"] = {"mode": "write"}
    run.profile["stages"]["Storage"]["timeout_s"] = 60
    read_s = estimate.timeout_of_run_s(run, "Storage")
    run.disks = codec.encode([wire.AllowedDisk("S1", "", "sata", 20_000_000, may_be_written=True)])
    assert estimate.timeout_of_run_s(run, "Storage") > read_s > 60


@pytest.mark.django_db
def test_the_estimates_error_is_told_of_a_run_that_went_to_its_end() -> None:
    run = lifecycle.start_run(_host(expected=None), profile_name="quick", who="test")
    assert estimate.error_percent(run) is None
    run.started_at = timezone.now()
    run.ended_at = run.started_at + timedelta(seconds=estimate.total_s(run.profile) * 1.1)
    assert estimate.error_percent(run) is None, "its stages have not been run"
    for order, name in enumerate(run.profile["stages"]):
        run.stage_runs.create(name=name, attempt=1, order=order, boot=1, outcome=Outcome.PASSED)
    assert estimate.error_percent(run) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("percent", "words"),
    [(6.2, "6 % slower than estimated"), (-12.0, "12 % faster than estimated"), (0.3, "exact"), (-0.4, "exact")],
)
def test_how_far_an_estimate_was_off_is_said_in_words(percent: float, words: str) -> None:
    assert off_by(percent).replace("\xa0", " ") == words


@pytest.mark.django_db
def test_the_page_that_asks_for_a_retry_says_how_long_it_takes_and_what_is_written(admin_client: Client) -> None:
    run = factories.held()
    text = as_read(admin_client.get(f"{run.get_absolute_url()}retry/").content).replace("\xa0", " ")
    assert " · failed · about " in text and "Times include the stages after it." in text
    assert "Nothing is written to any disk." in text


@pytest.mark.django_db
def test_the_run_page_keeps_the_estimate_beside_what_it_took(admin_client: Client) -> None:
    run = factories.held()
    text = as_read(admin_client.get(run.get_absolute_url()).content)
    assert "<dt>Estimated</dt>" in text
