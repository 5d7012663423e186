"""Random lives of a tenant: once settled, nobody waits for a rep who is free, and the oracles can fail."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import asyncpg
import pytest

from router.domain import engine as engines
from router.domain.attendance import Attendances, attend
from router.domain.eligibility import Eligibility
from router.domain.roster import Roster
from router.drain import write
from router.drain.lane_state import LaneState
from router.drain.replay import rerun
from router.store import pool
from router.store.connections.connections import Connections
from router.store.engines import Engines
from tests.simulation import RULESETS, OracleError, Simulation

SEEDS = int(os.environ.get("LEAD_ROUTER_TEST_SEEDS", "8"))
STEPS = 60


async def live(
    conn: asyncpg.Connection,
    connections: Connections,
    seed: int,
    steps: int = STEPS,
    rulesets: Sequence[str] = RULESETS,
) -> Simulation:
    """A life with a look after every settling."""
    life = await Simulation.begin(conn, connections, seed, rulesets)
    for _ in range(steps):
        await life.step()
        await life.settle()
        await life.check()
    return life


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_once_settled_no_lead_waits_while_a_target_has_room(
    conn: asyncpg.Connection, connections: Connections, seed: int
) -> None:
    life = await live(conn, connections, seed)
    states = await life.tenant.states()
    assert states["assigned"] + states["closed"] > 10
    batches = await conn.fetch("select batch_no from flight order by batch_no")
    known = Engines()
    for row in batches:
        again = await rerun(conn, known, life.tenant.tenant_id, row["batch_no"])
        assert again.same, f"batch {row['batch_no']} of seed {seed} decides otherwise when it is run again"


Break = Callable[[pytest.MonkeyPatch], None]


def _no_rooms(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LaneState, "keys_with_room", lambda self, now: {})


def _no_rechecks(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> pool.ClaimedRows:
        return [], {}

    patch.setattr(pool, "claim_due", nothing)


def _endings_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LaneState, "fold", lambda self, opened, today: set())


def _yesterday_counts_today(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LaneState, "turn_day", lambda self, day: setattr(self, "day", day))


def _memory_trusted_blindly(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LaneState, "token", property(lambda self: _Any(), lambda self, value: None), raising=False)


class _Any:
    """Equal to every token: a router that never notices that another one has written."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


def _attendance_never_changes(patch: pytest.MonkeyPatch) -> None:
    looked: dict[int, Attendances] = {}

    def once(roster: Roster, now: datetime, *calendar: object) -> Attendances:
        return looked.setdefault(roster.version, attend(roster, now, *calendar))  # type: ignore[arg-type]

    patch.setattr("router.drain.lane_state.attend", once)


def _rules_fall_through(patch: pytest.MonkeyPatch) -> None:
    holds = engines.created_holds
    patch.setattr(
        "router.domain.decide.created_holds", lambda c, at, moment, zone: (holds(c, at, moment, zone)[0], None)
    )


def _excluded_reps_lock_the_key(patch: pytest.MonkeyPatch) -> None:
    choose = Eligibility.choose

    def refuse(self: Eligibility, group_no: int, facts: object, excluded: tuple[int, ...]) -> int | None:
        return None if excluded else choose(self, group_no, facts, excluded)  # type: ignore[arg-type]

    patch.setattr(Eligibility, "choose", refuse)


def _old_rules_stay(patch: pytest.MonkeyPatch) -> None:
    room = LaneState._room

    def as_if_current(self: LaneState, key: object, *rest: object) -> int:
        key.ruleset = self.engine.ruleset.version  # type: ignore[attr-defined]
        return room(self, key, *rest)  # type: ignore[arg-type]

    patch.setattr(LaneState, "_room", as_if_current)


def _prune_forgets_too_much(patch: pytest.MonkeyPatch) -> None:
    forget = LaneState.forget_keys
    patch.setattr(LaneState, "forget_keys", lambda self, numbers: forget(self, list(self.keys)))


def _nobody_visits_when_time_brings_a_rep(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(write, "_next_visit", lambda state, moment, more, stuck: moment.now + timedelta(days=9))


BROKEN: list[Break] = [
    _no_rooms,
    _no_rechecks,
    _endings_forgotten,
    _yesterday_counts_today,
    _memory_trusted_blindly,
    _attendance_never_changes,
    _rules_fall_through,
    _excluded_reps_lock_the_key,
    _old_rules_stay,
    _prune_forgets_too_much,
    _nobody_visits_when_time_brings_a_rep,
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda b: b.__name__.strip("_"))
async def test_an_engine_that_breaks_a_rule_is_found_out(
    conn: asyncpg.Connection, connections: Connections, broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    with pytest.raises((OracleError, asyncpg.PostgresError, KeyError)):
        for seed in range(5):
            await live(conn, connections, 100 + seed, steps=40, rulesets=RULESETS[:3])
            await conn.execute(f"truncate {', '.join(await _tables(conn))}")


async def _tables(conn: asyncpg.Connection) -> list[str]:
    found = await conn.fetch("select table_name from information_schema.tables where table_schema = 'public'")
    return [row["table_name"] for row in found if not row["table_name"].startswith("_")]
