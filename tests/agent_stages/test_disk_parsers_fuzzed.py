"""No output of a tool makes a disk parser raise anything but its own error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.parsing import ParseError
from agent.probes.drives import raid
from agent.probes.network import ethtool
from agent.probes.smart import smart_counts, smartctl
from agent.stages.smart import smart_evidence, smart_limits
from tests.agent_stages.recordings import recorded
from tests.agent_stages.smart_verdicts import LIMITS

WORDS = """
    smartctl exit_status messages string device protocol smart_status passed ata_smart_attributes table id name raw
    value thresh when_failed nvme_smart_health_information_log critical_warning media_errors percentage_used
    available_spare available_spare_threshold scsi_grown_defect_list scsi_error_counter_log read
    total_uncorrected_errors
    ata_smart_error_log extended summary count ata_device_statistics pages number offset flags valid smart_support
    ata_pending_defects_log interface_speed max current units_per_second bits_per_unit ata_smart_data self_test status
    polling_minutes short capabilities self_tests_supported remaining_percent ata_smart_self_test_log standard type
    lifetime_hours nvme_self_test_log current_self_test_operation self_test_result self_test_code power_on_hours
    scsi_self_test_0 scsi_self_test_007 scsi_self_test_x result code power_on_time hours scsi_extended_self_test_seconds
    devices open_error temperature serial_number rotation_rate model_name firmware_version enabled available version
    worst prefailure error_description completion_registers error scsi_background_scan result_1 reassign_status
    sense_key scsi_pending_defects endurance_used current_percent spare_available threshold_percent asc ascq ie_string
    scsi_percentage_used_endurance_indicator monitored_condition_met normalized
"""
KEYS = st.sampled_from(WORDS.split())
LEAVES = st.none() | st.booleans() | st.integers() | st.integers(8, 8) | st.floats() | st.text(max_size=9)
LEAVES |= st.sampled_from(["ATA", "NVMe", "SCSI", 10**400, -(10**400)])
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=9))


@settings(max_examples=150)
@given(st.dictionaries(KEYS, TREES, max_size=12), st.integers(0, 255))
def test_no_json_breaks_smartctls_parser_or_what_is_made_of_it(tree: dict[str, Any], status: int) -> None:
    for document in (tree, {**tree, "smartctl": {"exit_status": status}}):
        with contextlib.suppress(ParseError):
            smart = smartctl.parse(json.dumps(document))
            assert isinstance(smart.trouble, str)
            found = smart_limits.judge(smart, "sda", "S1", LIMITS.__getitem__)
            smart_evidence.health(smart, found, "sda", "S1", LIMITS.__getitem__)
            assert all(isinstance(count, int) for count in smart_counts.of(smart).values())
            smart_counts.states(smart)


@settings(max_examples=100)
@given(st.dictionaries(KEYS, TREES, max_size=3) | st.text())
def test_nothing_breaks_the_scans_parser(tree: Any) -> None:
    with contextlib.suppress(ParseError):
        raid.parse_scan(tree if isinstance(tree, str) else json.dumps(tree))


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_page_of_settings_is_read_or_refused(data: st.DataObject) -> None:
    page = recorded("ethtool", "link-written-downshifted.txt")
    at, length = data.draw(st.integers(0, len(page))), data.draw(st.integers(0, 40))
    damaged = page[:at] + data.draw(st.text(max_size=20)) + page[at + length :]
    with contextlib.suppress(ParseError):
        assert all(0 < speed < 10**7 for speed in ethtool.parse_link(damaged).own_mbit | {1})
