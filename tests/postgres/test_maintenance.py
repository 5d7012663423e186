"""Scripts of others that ask before they clean: who gets a turn, when, and for how long."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from router.store.connections.connections import Connections
from tests.cleaning import all_runs, done, may_clean, one_row, script
from tests.findings import findings
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps


async def ready_since(tenant: Tenancy, seconds: float) -> None:
    await tenant.conn.execute("update lead_pool set queued_at = clock_timestamp() - make_interval(secs => $1)", seconds)


async def test_a_script_gets_a_turn_with_its_rows_and_a_deadline_while_no_lead_waits(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with script(database_url) as nightly:
        before = await conn.fetchval("select clock_timestamp()")
        got = await may_clean(nightly, 700)
        assert (got["may_delete"], got["reason"], got["ask_again_at"]) == (700, "", None)
        assert timedelta(seconds=55) < got["until"] - before < timedelta(seconds=70)
        assert await done(nightly, got["turn"], 650) == "done"
        more = await may_clean(nightly, 1_000_000)
        assert more["may_delete"] == 10_000, "one batch is bounded, however much is asked for"
        assert await done(nightly, more["turn"], 1) == "done"
    [run] = await all_runs(conn)
    assert (run.name, run.role, run.turns, run.removed, run.turn) == ("nightly", "postgres", 2, 651, None)


@pytest.mark.parametrize("seconds", [0.0, 5.0])
async def test_no_script_gets_a_turn_while_leads_could_be_placed(
    conn: asyncpg.Connection, connections: Connections, database_url: str, seconds: float
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(number) for number in range(200 if not seconds else 3)])
    await ready_since(tenant, seconds)
    async with script(database_url) as nightly:
        refused = await may_clean(nightly)
        assert (refused["may_delete"], refused["turn"]) == (0, None)
        assert ("200 leads of acme could" if not seconds else "3 leads of acme could") in refused["reason"]
        assert refused["ask_again_at"] is not None
        assert (await may_clean(nightly, tenant=None))["may_delete"] == 0, "nor one for all tenants"
        await settle(a_drain(connections), tenant.tenant_id)
        await conn.execute("update lane set last_at = last_at - interval '2 s'")
        assert (await may_clean(nightly))["may_delete"] == 1000
    [run, _] = await all_runs(conn)
    assert run.refusals == 1 and "could be placed" in run.refused_why


async def test_leads_that_just_came_or_that_wait_for_a_rep_stop_no_cleaning(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    """A stream of leads that are placed at once always shows a few, and a pool that nobody can empty is no reason."""
    tenant = await make_tenant(conn, simple_reps(1, max_open=0))
    await tenant.accept([lead(number) for number in range(300)])
    await settle(a_drain(connections), tenant.tenant_id)
    await ready_since(tenant, 100)
    await conn.execute("update lane set last_at = last_at - interval '2 s'")
    await tenant.accept([lead(number) for number in range(300, 310)])
    async with script(database_url) as nightly:
        assert (await may_clean(nightly))["may_delete"] == 1000


async def test_a_drain_that_is_in_the_middle_of_large_batches_is_left_alone(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    """Also where what it places are leads that waited, of which the pool does not say that they are ready."""
    tenant = await make_tenant(conn, simple_reps(1, max_open=0))
    await tenant.accept([lead(number) for number in range(300)])
    await settle(a_drain(connections), tenant.tenant_id)
    await conn.execute("update lane set last_at = clock_timestamp()")
    async with script(database_url) as nightly:
        assert "300 leads in its last batch" in (await may_clean(nightly))["reason"]


async def test_a_paused_tenant_and_one_without_rules_can_be_cleaned(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(number) for number in range(300)])
    async with script(database_url) as nightly:
        assert (await may_clean(nightly))["may_delete"] == 0
        await conn.execute("update lane set paused_until = now() + interval '1 h'")
        got = await may_clean(nightly)
        assert got["may_delete"] == 1000
        await done(nightly, got["turn"])
        await conn.execute("update lane set paused_until = null; update tenant set ruleset = 0")
        assert (await may_clean(nightly))["may_delete"] == 1000


async def test_of_two_scripts_one_has_a_turn_and_the_other_learns_who(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    await make_tenant(conn, simple_reps(1), name="other")
    async with script(database_url, "one") as one, script(database_url, "two") as two:
        got = await may_clean(one)
        refused = await may_clean(two)
        assert refused["may_delete"] == 0 and "one (role postgres) has the turn until" in refused["reason"]
        assert (await may_clean(two, tenant="other"))["may_delete"] == 1000, "each tenant has its own turn"
        assert (await may_clean(one, tenant=None))["may_delete"] == 0, "all tenants are not free"
        await done(one, got["turn"])
        assert (await may_clean(two))["may_delete"] == 1000


async def test_a_turn_for_all_tenants_is_a_turn_of_each(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, simple_reps(1))
    async with script(database_url, "one") as one, script(database_url, "two") as two:
        got = await may_clean(one, tenant=None)
        assert got["may_delete"] == 1000
        assert "one (role postgres) has the turn" in (await may_clean(two))["reason"]
        assert await done(one, got["turn"], 5, tenant=None) == "done"
        assert (await may_clean(two))["may_delete"] == 1000


async def test_a_script_that_asks_in_its_own_transaction_keeps_others_away_until_the_end_and_makes_none_wait(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with script(database_url, "one") as one, script(database_url, "one") as two:
        await two.execute("set lock_timeout = '1s'")
        transaction = one.transaction()
        await transaction.start()
        got = await may_clean(one)
        for tenant in ("acme", None):
            refused = await may_clean(two, tenant=tenant)
            assert refused["may_delete"] == 0 and "another script" in refused["reason"]
        await done(one, got["turn"], 10)
        assert (await may_clean(two))["may_delete"] == 0, "it is not over before the commit"
        await transaction.commit()
        assert (await may_clean(two))["may_delete"] == 1000


async def test_many_at_once_get_one_turn(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, simple_reps(1))

    async def ask(number: int) -> int:
        async with script(database_url, f"s{number % 3}") as one:
            return int((await may_clean(one))["may_delete"] > 0)

    assert sum(await asyncio.gather(*(ask(number) for number in range(12)))) == 1


async def test_a_turn_that_is_not_given_back_lapses_and_is_found(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, simple_reps(1))
    async with script(database_url, "one") as one, script(database_url, "two") as two:
        got = await may_clean(one)
        now = await conn.fetchval("select clock_timestamp()")
        assert await findings(conn, "maintenance_overrun", now) == []
        await conn.execute("update maintenance_run set until = until - interval '10 min'")
        [found] = await findings(conn, "maintenance_overrun")
        assert "one (role postgres)" in found.sentence and "9 min" in found.sentence
        assert found.evidence[0]["sessions"] == 1
        assert (await may_clean(two))["may_delete"] == 1000, "it keeps nobody away"
        assert await done(one, got["turn"], 77) == "late"
        [found] = await findings(conn, "maintenance_overrun")
        assert "gave 1 turn back late" in found.sentence
    late = next(run for run in await all_runs(conn) if run.name == "one")
    assert (late.removed, late.overruns, late.turn) == (77, 1, None) and late.overrun_s > 500


async def test_a_script_that_crashed_and_starts_again_counts_what_it_never_gave_back(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with script(database_url) as nightly:
        first = await may_clean(nightly)
        await conn.execute("update maintenance_run set until = clock_timestamp()")
        second = await may_clean(nightly)
        assert second["may_delete"] == 1000
        assert await done(nightly, first["turn"], 3) == "late"
        assert await done(nightly, second["turn"], 4) == "done"
    [run] = await all_runs(conn)
    assert (run.turns, run.lapses, run.removed) == (2, 1, 7)


async def test_bad_questions_are_refused_in_words_and_change_nothing(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with script(database_url) as nightly:
        for rows in (None, -1):
            with pytest.raises(asyncpg.InvalidParameterValueError, match="not how many rows"):
                await may_clean(nightly, rows)
        for name in ("acne", "", "'; drop table lead; --"):
            with pytest.raises(asyncpg.NoDataFoundError, match="there is no tenant"):
                await may_clean(nightly, tenant=name)
        with pytest.raises(asyncpg.InvalidParameterValueError, match="not how many rows were deleted"):
            await done(nightly, 1, -5)
        with pytest.raises(asyncpg.InvalidParameterValueError, match="not between 1 second and 1 day"):
            await nightly.execute("select * from lead_router.take_turn('acme', 5, '2 days')")
        with pytest.raises(asyncpg.FeatureNotSupportedError, match="turns of others cannot be seen"):
            async with nightly.transaction(isolation="repeatable_read"):
                await may_clean(nightly)
        assert await done(nightly, None) == "no turn"
        assert await done(nightly, 4711, 5) == "unknown turn"
        asked = await may_clean(nightly, 0)
        assert (asked["may_delete"], asked["turn"], asked["reason"]) == (0, None, ""), "0 rows only asks"
    assert await all_runs(conn) == []


async def test_a_turn_within_a_turn_keeps_to_its_budget_and_gives_way(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    async with script(database_url) as nightly:
        take = "select turn from lead_router.take_turn('acme', 2500, '10 min', '1 min', 'psql')"
        turn = await nightly.fetchval(take)
        step = "select may_delete, reason, ask_again_at from lead_router.may_clean('acme', 2000, $1)"
        assert await nightly.fetchval(step, turn) == 2000
        assert await done(nightly, turn, 2000) == "done"
        await tenant.accept([lead(number) for number in range(200)])
        waits = await one_row(nightly, step, turn)
        assert waits["may_delete"] == 0 and "could be placed" in waits["reason"] and waits["ask_again_at"] is not None
        await conn.execute("update lane set paused_until = now() + interval '1 h'")
        assert await nightly.fetchval(step, turn) == 500
        over = await one_row(nightly, step, turn)
        assert over["may_delete"] == 0 and "2500 rows is used up" in over["reason"] and over["ask_again_at"] is None
        assert await nightly.fetchval("select lead_router.keep_turn('acme', $1, '0')", turn)
        assert "is over" in (await one_row(nightly, step, turn))["reason"]
        assert not await nightly.fetchval("select lead_router.keep_turn('acme', $1, '0')", turn)
    [run] = await all_runs(conn)
    assert (run.name, run.removed, run.turns) == ("psql", 2000, 1)
