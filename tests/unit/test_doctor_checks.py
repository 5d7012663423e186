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


def test_who_holds_vacuum_back_is_named_with_what_ends_it() -> None:
    slot = HeldBack("slot", "replica_2", "", "", "not in use", None, 5, 3 << 30)
    prepared = HeldBack("prepared", "tx-'7'", "", "crm", "prepared", At.at - timedelta(hours=3), 12_000, 0)
    scene = cast(Scene, At())
    told = finding(slot, scene)
    assert "replication slot replica_2 is not in use" in told.sentence
    assert "3,072 MB" in told.sentence
    assert told.evidence[0]["ends_it"] == "select pg_drop_replication_slot('replica_2')"
    told = finding(prepared, scene)
    assert "tx-'7' of crm is neither committed nor rolled back for 3 h 0 min" in told.sentence
    assert "12,000 transactions" in told.sentence
    assert told.evidence[0]["ends_it"] == "rollback prepared 'tx-''7'''"
    session = HeldBack("transaction", "4711", "psql", "ann", "idle in transaction", At.at - timedelta(hours=2), 9, 0)
    told = finding(session, scene)
    assert told.sentence.startswith("psql (process 4711, ann) has a transaction open for 2 h 0 min")
    assert (told.command, told.severity) == ("lead-router blockers --terminate 4711", "warning")
    standby = HeldBack("standby", "replica_1", "10.0.0.7", "repl", "streaming", None, 2_000_000, 0)
    assert "standby replica_1 (10.0.0.7) reports a query that old" in finding(standby, scene).sentence


def test_a_dump_of_half_an_hour_is_said_and_calls_nobody() -> None:
    dump = HeldBack("transaction", "4711", "pg_dump", "ann", "active", At.at - timedelta(minutes=30), 9, 0)
    assert finding(dump, cast(Scene, At())).severity == "info"


def test_a_slot_in_use_is_not_to_be_dropped() -> None:
    slot = HeldBack("slot", "replica_2", "", "", "in use", None, 2_000_000, 0)
    told = finding(slot, cast(Scene, At()))
    assert "replication slot replica_2 is in use, and behind" in told.sentence
    assert "ends_it" not in told.evidence[0]


def test_every_index_of_the_migrations_is_expected() -> None:
    names = {one.name for one in expected_indexes()}
    assert {"lead_pool_claim", "lead_tenant_id_source_external_id_key", "change_of_lead"} <= names
    assert all(one.makes for one in expected_indexes())
