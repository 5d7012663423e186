"""What checks decide without a database: disks, rules, and what keeps vacuum back."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from ops.doctor.checks.disk_filling import nearly_full
from ops.doctor.checks.rules_doubtful import doubtful
from ops.doctor.checks.vacuum_held_back import finding
from ops.doctor.scene import Scene
from router.rules.file import read_rules
from router.store.upkeep import HeldBack, expected_indexes

GB = 1 << 30


@pytest.mark.parametrize(
    ("free_gb", "total_gb", "full"),
    [(0.5, 8, True), (4, 100, True), (40, 100, False), (15, 4000, False), (2, 8, False)],
)
def test_a_large_disk_with_room_left_is_not_called_full_whatever_the_percentage(
    free_gb: float, total_gb: float, full: bool
) -> None:
    assert nearly_full(int(free_gb * GB), int(total_gb * GB)) is full


RULES = """
rules:
  - {name: never, match: {known_customer: false}, assign_to: owner}
  - {name: east, match: {region: Shanghai}, assign_to: "group:East"}
  - {name: all, match: {}, assign_to: "group:all"}
"""


def test_rules_that_cannot_work_are_told_the_surest_first_and_sound_ones_are_not() -> None:
    rules = read_rules(RULES, "rules").ruleset
    told = doubtful(rules, {"all"})
    assert [(one.level, one.rule) for one in told] == [("error", "never"), ("error", "east")]
    assert "has no active member" in told[1].message
    sound = read_rules(RULES.replace("known_customer: false", "known_customer: true"), "rules").ruleset
    assert doubtful(sound, {"all", "east"}) == []


class At:
    at = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_a_slot_that_nobody_uses_and_a_prepared_transaction_are_named() -> None:
    slot = HeldBack("slot", "replica_2", "", "", "physical", None, 5, 3 << 30)
    prepared = HeldBack("prepared", "tx-7", "", "crm", "prepared", At.at - timedelta(hours=3), 12_000, 0)
    scene = cast(Scene, At())
    told = finding(slot, scene).sentence
    assert "replication slot replica_2 is not in use" in told
    assert "3,072 MB" in told
    told = finding(prepared, scene).sentence
    assert "tx-7 of crm is neither committed nor rolled back for 3 h 0 min" in told
    assert "12,000 transactions" in told


def test_every_index_of_the_migrations_is_expected() -> None:
    names = {one.name for one in expected_indexes()}
    assert {"lead_pool_claim", "lead_tenant_id_source_external_id_key", "change_of_lead"} <= names
    assert all(one.makes for one in expected_indexes())
