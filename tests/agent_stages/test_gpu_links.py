"""The PCIe links of GPUs: judged while the card is busy, since an idle card lowers its link's speed, and with some
drivers its width (nvidia-smi(1), "Link width": "may be reduced when the GPU is not in use")."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contract import wire
from agent.exercises import gpu_links, gpu_load
from agent.probes.bus import display_cards
from agent.probes.gpu import nvidia_smi
from agent.probes.gpu.nvidia_smi import Answer, NvidiaGpu
from agent.reports.partial_report import PartialReport
from agent.stage import StageContext, StageReport
from agent.stages.gpu import stage as gpu
from agent.stages.inventory_check import links
from tests.agent_stages.contexts import INVENTORY, PROFILE, context
from tests.agent_stages.recordings import recorded
from tests.agent_stages.test_links import CARD, DOWNSTREAM, ENDPOINT, PORT, ROOT_PORT, UPSTREAM, device, port_and_card

PASSED, FAILED, NOT_TESTED = wire.Outcome.PASSED, wire.Outcome.FAILED, wire.Outcome.NOT_TESTED
CRITICAL, WARNING = wire.Severity.CRITICAL, wire.Severity.WARNING
GEN5: dict[str, Any] = {"max_link_speed": 32.0, "target": 5}
GPU = wire.Gpu("", "AD102GL", CARD)
# As nvidia-smi -q -x writes them (nvsmi_device schema 12).
BUSY = "<utilization><gpu_util>{} %</gpu_util><memory_util>3 %</memory_util></utilization>"
LINK_INFO = (
    "<pci><pci_gpu_link_info><pcie_gen><max_link_gen>{}</max_link_gen><current_link_gen>2</current_link_gen>"
    "</pcie_gen></pci_gpu_link_info></pci>"
)


def seen(use_percent: int = 100, max_gen: int | None = None) -> NvidiaGpu:
    """A sound card in nvidia-smi's answer, at work."""
    more = BUSY.format(use_percent) + (LINK_INFO.format(max_gen) if max_gen else "")
    (card,) = nvidia_smi.parse(recorded("nvidia-smi", "tesla-t4.xml").replace("</gpu>", f"{more}</gpu>"))
    return replace(card, uuid="", pci=CARD)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gpu_links, "ROOT", tmp_path)
    monkeypatch.setattr(links, "ROOT", tmp_path)
    return tmp_path


def card_at(root: Path, *, driver: str = "nvidia", **card: Any) -> Path:
    """A GPU that both ends let run at x16 and 32 GT/s."""
    made = port_and_card(root, {"class": "0x030200", "vendor": "0x10de", **GEN5, **card}, **GEN5)
    return driven(root, made, driver)


def driven(root: Path, card: Path, driver: str) -> Path:
    if driver:
        (root / "sys/bus/pci/drivers" / driver).mkdir(parents=True)
        (card / "driver").symlink_to(root / "sys/bus/pci/drivers" / driver)
    return card


def ctx_of(root: Path, **limits: float) -> StageContext:
    """The context of GPU, in a run whose InventoryCheck has these limits."""
    given = PROFILE["stages"]["InventoryCheck"]["limits"] | limits
    order = wire.StageOrder("InventoryCheck", "Inventory", 1, 60, {}, given, [])
    return context("GPU", root, inventory=replace(INVENTORY, gpus=[GPU]), stages=[order])


def under_load(root: Path, *looks: NvidiaGpu, **limits: float) -> PartialReport:
    report, watch = PartialReport(), gpu_load.Watch()
    for look in looks:
        watch.look([look])
    watch.judge(ctx_of(root, **limits), report)
    report.checks = [check for check in report.checks if check.name == "link_speed"]
    return report


def test_a_card_that_works_on_a_slow_link_fails(root: Path) -> None:
    """As a riser leaves it: all lanes, and 5 of 32 GT/s under full load."""
    card_at(root, current_link_speed=5.0)
    report = under_load(root, *[seen()] * 3)
    assert [(one.code, one.severity, one.component) for one in report.findings] == [("pcie.link_slow", CRITICAL, CARD)]
    assert [check.outcome for check in report.checks] == [FAILED]


def test_a_card_that_works_at_full_speed_passes_though_it_was_slow_before(root: Path) -> None:
    card = card_at(root, current_link_speed=2.5)
    watch, report = gpu_load.Watch(), PartialReport()
    for speed in (2.5, 32.0, 2.5):
        (card / "current_link_speed").write_text(f"{speed} GT/s PCIe\n")
        watch.look([seen()])
    watch.judge(ctx_of(root), report)
    assert (report.findings, {check.outcome for check in report.checks}) == ([], {PASSED})


@pytest.mark.parametrize(
    "looks", [[seen(0)] * 9, [seen(49)] * 9, [seen()] * 2, [replace(seen(), busy_percent=None)] * 9]
)
def test_a_card_that_was_hardly_seen_at_work_is_blamed_for_nothing(root: Path, looks: list[NvidiaGpu]) -> None:
    card_at(root, current_link_speed=2.5)
    report = under_load(root, *looks)
    assert (report.findings, report.checks) == ([], [])


def test_a_limit_that_the_driver_names_is_a_warning(root: Path) -> None:
    card_at(root, current_link_speed=5.0)
    report = under_load(root, *[seen(max_gen=2)] * 3)
    assert [(one.code, one.severity) for one in report.findings] == [("pcie.link_limited", WARNING)]
    assert [one.code for one in under_load(root, *[seen(max_gen=4)] * 3).findings] == ["pcie.link_slow"]
    assert [one.code for one in under_load(root, *[seen(max_gen=99)] * 3).findings] == ["pcie.link_slow"]


def test_the_profiles_limit_for_links_holds_under_load_too(root: Path) -> None:
    card_at(root, current_link_speed=16.0)
    assert under_load(root, *[seen()] * 3, pcie_speed_min_percent=50).findings == []


# --- the width ----------------------------------------------------------------------------------------------------


def staged(root: Path, monkeypatch: pytest.MonkeyPatch, busy_width: int | None = None, **limits: float) -> StageReport:
    """The stage, with a load that takes the link to `busy_width` lanes and is over afterwards; none if None."""
    width = root / f"sys/bus/pci/devices/{CARD}/current_link_width"

    def load(ctx: StageContext, present: object, answer: Answer, watch: gpu_load.Watch) -> PartialReport:
        before = width.read_text()
        if busy_width is not None:
            width.write_text(f"{busy_width}\n")
            for _ in range(3):
                watch.look([seen()])
        width.write_text(before)
        return PartialReport()

    monkeypatch.setattr(gpu_load, "run", load)
    monkeypatch.setattr(nvidia_smi, "ask", lambda: Answer([seen()]))
    return gpu.run(ctx_of(root, **limits))


def width_check(report: StageReport) -> tuple[wire.Outcome, list[str]]:
    (check,) = (one for one in report.checks if one.name == "link")
    return check.outcome, [one.code for one in report.findings if one.code == "gpu.link_width"]


@pytest.mark.parametrize(
    ("at_rest", "busy", "driver", "outcome"),
    [
        (16, 16, "nvidia", PASSED),
        (8, 16, "nvidia", PASSED),
        (8, 8, "nvidia", FAILED),
        (16, 8, "nvidia", FAILED),
        (16, None, "nvidia", PASSED),
        (8, None, "nvidia", NOT_TESTED),
        (1, None, "amdgpu", NOT_TESTED),
        (8, None, "", FAILED),
        (8, None, "vfio-pci", FAILED),
    ],
)
def test_the_width_is_that_of_a_card_at_work(
    at_rest: int,
    busy: int | None,
    driver: str,
    outcome: wire.Outcome,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card_at(root, driver=driver, current_link_width=at_rest)
    codes = ["gpu.link_width"] if outcome is FAILED else []
    assert width_check(staged(root, monkeypatch, busy)) == (outcome, codes)


@pytest.mark.parametrize("busy", [8, None])
def test_a_slot_that_the_profile_allows_to_be_narrow_passes_the_stage_too(
    busy: int | None, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card_at(root, current_link_width=8, driver="")
    assert width_check(staged(root, monkeypatch, busy, pcie_width_min_percent=50)) == (PASSED, [])
    assert width_check(staged(root, monkeypatch, busy, pcie_width_min_percent=51))[0] is FAILED


def test_a_card_with_a_switch_of_its_own_is_judged_by_the_link_of_its_slot(root: Path) -> None:
    """AMD's cards: the link behind the switch is always x16 at full speed (nokyan/resources#512)."""
    bridge = {"class": "0x060400", "vendor": "0x1002", "device": "0x1478"}
    device(root, PORT, ROOT_PORT)
    path = f"{PORT}/{CARD}"
    device(root, path, UPSTREAM, current_link_width=8, **bridge)
    device(root, f"{path}/0000:02:00.0", DOWNSTREAM, **bridge)
    device(root, f"{path}/0000:02:00.0/0000:03:00.0", ENDPOINT, vendor="0x1002", **{"class": "0x030000"})
    assert display_cards.in_slot("0000:03:00.0", root) == CARD
    card = wire.Gpu("", "Navi 21", "0000:03:00.0")
    report = gpu_links.widths(ctx_of(root), [card], gpu_links.at_rest([card]), {})
    assert [(one.code, one.component, one.value) for one in report.findings] == [("gpu.link_width", card.pci, 8.0)]


@pytest.mark.parametrize(
    ("driver", "severity"), [("", CRITICAL), ("vfio-pci", CRITICAL), ("nvidia", WARNING), ("amdgpu", WARNING)]
)
def test_the_inventory_blames_no_card_whose_driver_may_save_lanes(
    driver: str, severity: wire.Severity, root: Path
) -> None:
    card_at(root, driver=driver, current_link_width=8)
    found = links.look(context("InventoryCheck", root), wire.Inventory()).findings
    assert [(one.code, one.severity) for one in found] == [("pcie.link_reduced", severity)]
