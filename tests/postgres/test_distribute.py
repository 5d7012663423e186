"""`migrate --distribute`: what it would do is complete, it goes on where it was, and Citus would refuse nothing of it.

There is no Citus here: a stand-in has its functions and its catalogue, and notes what it was asked for.
"""

import json
from typing import cast

import asyncpg
import numpy as np
import pytest
from click.testing import Result

from loadtest.spread import hash_of_int
from ops.audit.audit import audit
from ops.cleanup.catalogue import TABLES
from ops.cli.audit import audit as audit_command
from ops.cli.leads_list import list_ as list_command
from ops.cli.migrate import migrate as migrate_command
from ops.cli.status import status as status_command
from ops.cli.why import why as why_command
from ops.status.status import status
from router.intake.hand_in import HandedIn, IdempotencyKey, Taken, take_in
from router.settings.model import Settings
from router.store import tenants
from router.store.assignments import Ending, end
from router.store.blocking.activity import ON_WORKERS, look
from router.store.connections.connect import open_session
from router.store.connections.connections import Part, open_connections
from router.store.distribution import FIRST, LOCAL, REFERENCE, CannotDistribute, as_script, distribute, is_spread, to_do
from router.store.migrate import known, migrate
from router.store.statements import is_distributed
from tests.citus_functions import STABLE, VOLATILE
from tests.citus_rules import function_names
from tests.citus_stand_in import EXTENSION
from tests.command_line import CommandLine
from tests.support import connected
from tests.unit.test_citus import STATEMENTS
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

STAND_IN = f"""{EXTENSION}
create table public.pg_dist_partition (logicalrelid regclass primary key, partmethod "char" not null, beside text);
create table public.asked (number bigint generated always as identity, what text);
create function public.create_reference_table(relation regclass) returns void language sql as $$
    insert into pg_dist_partition values ($1, 'n');
    insert into asked (what) values ('copy ' || $1) $$;
create function public.create_distributed_table(relation regclass, by text, colocate_with text) returns void
    language sql as $$
    insert into pg_dist_partition values ($1, 'h', $3);
    insert into asked (what) values ('spread ' || $1 || ' by ' || $2) $$;
create function public.truncate_local_data_after_distributing_table(relation regclass) returns void
    language sql as $$ $$;
"""
WITH_TENANT = """
    select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"""


NARROW = """
    select attrelid::regclass::text from pg_attribute
     where attidentity <> '' and atttypid <> 'bigint'::regtype and attnum > 0"""


async def run(url: str, *options: str) -> Result:
    """`lead-router migrate`."""
    return await CommandLine(migrate_command, url, settings=Settings(database_url=url)).run(*options)


async def spread_now(url: str) -> dict[str, list[str]]:
    """What `migrate --distribute` did."""
    done = await run(url, "--distribute", "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


async def names(conn: asyncpg.Connection, query: str) -> set[str]:
    return {row[0] for row in await conn.fetch(query)}


@pytest.fixture
async def stand_in(database_url: str) -> str:
    """A database that says that it has Citus."""
    async with connected(database_url) as conn:
        if await conn.fetchval("select exists (select from pg_extension where extname = 'citus')"):
            pytest.skip("the server has Citus itself")
        await conn.execute(STAND_IN)
    return database_url


async def test_the_script_names_every_table_with_a_tenant_and_needs_no_citus(conn: asyncpg.Connection) -> None:
    tables = await names(conn, WITH_TENANT)
    steps = await to_do(conn)
    script = as_script(steps)
    assert tables == {table.name for table in TABLES}
    assert {step.table for step in steps} - {""} == tables - LOCAL.keys()
    for table in tables:
        assert f"'{table}'" in script or f"-- {table} stays" in script
    order = [step.table for step in steps if step.table]
    assert set(order[: len(REFERENCE)]) == set(REFERENCE)
    assert order[len(REFERENCE)] == FIRST


async def test_without_citus_it_refuses_with_a_sentence_and_changes_nothing(
    conn: asyncpg.Connection, database_url: str
) -> None:
    if await conn.fetchval("select exists (select from pg_extension where extname = 'citus')"):
        pytest.skip("the server has Citus")
    before = await conn.fetch("select attname, attidentity from pg_attribute where attrelid = 'tenant'::regclass")
    with pytest.raises(CannotDistribute, match="no extension citus: install it"):
        await distribute(conn)
    for options in (["--distribute"], ["--distribute", "--check"]):
        done = await run(database_url, *options)
        assert done.exit_code == 2
        assert "create extension citus" in done.output
    assert (
        await conn.fetch("select attname, attidentity from pg_attribute where attrelid = 'tenant'::regclass") == before
    )
    dry = await run(database_url, "--distribute", "--dry-run")
    assert dry.exit_code == 0
    assert "create_distributed_table('lead', 'tenant_id', colocate_with => 'lane');" in dry.output
    as_json = json.loads((await run(database_url, "--distribute", "--dry-run", "--json")).stdout)
    assert "lead_pool" in as_json["tables"]
    assert (await run(database_url, "--dry-run")).exit_code == 2


async def test_all_tables_are_spread_once_and_a_later_run_goes_on(stand_in: str) -> None:
    check = await run(stand_in, "--distribute", "--check")
    assert check.exit_code == 1
    assert "not distributed: tenant, " in check.output
    first = await spread_now(stand_in)
    assert first["applied"] == []
    assert set(first["distributed"]) == {table.name for table in TABLES} - LOCAL.keys()
    async with connected(stand_in) as conn:
        asked = [row[0] for row in await conn.fetch("select what from asked order by number")]
        assert asked[: len(REFERENCE) + 1] == ["copy tenant", "copy process", "spread lane by tenant_id"]
        # Broken off before the last table: only that one is done.
        await conn.execute("delete from pg_dist_partition where logicalrelid = 'lead_pool'::regclass")
    again = await spread_now(stand_in)
    assert again == {"applied": [], "distributed": ["lead_pool"]}
    assert (await spread_now(stand_in))["distributed"] == []
    assert (await run(stand_in, "--distribute", "--check")).exit_code == 0
    async with connected(stand_in) as conn:  # a new connection has the setting
        assert await conn.fetchval("select current_setting('citus.propagate_set_commands')") == "local"
        assert await conn.fetchval("select current_setting('citus.node_connection_timeout')") == "3s"
        # One that somebody has chosen stays; without the other one transactions would have no limits on workers.
        name = await conn.fetchval("select current_database()")
        await conn.execute(f"alter database \"{name}\" set citus.node_connection_timeout = '10s'")
        assert await to_do(conn) == []
        await conn.execute(f'alter database "{name}" reset citus.propagate_set_commands')
        missing = await run(stand_in, "--distribute", "--check")
        assert missing.exit_code == 1
        assert "the database has not all settings yet; run `lead-router migrate --distribute`" in missing.output


async def test_a_later_migration_spreads_its_tables(stand_in: str) -> None:
    await run(stand_in, "--distribute")
    async with connected(stand_in) as conn:
        # As if its last migration were new, with a table of its own.
        await conn.execute("delete from pg_dist_partition where logicalrelid = 'removed_lead'::regclass")
        await conn.execute("create table later (tenant_id int primary key)")
        assert await is_spread(conn)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("router.store.migrate.pending", _one_more)
            patch.setattr("router.store.migrate._apply_beside_others", _applied)
            assert await migrate(stand_in) == ["9999_later"]
        assert {"later", "removed_lead"} <= await names(conn, "select logicalrelid::text from pg_dist_partition")


async def _one_more(_conn: object) -> list[str]:
    return ["9999_later"]


async def _applied(_conn: object, _migration: str) -> None:
    """The table is there already."""


async def test_numbers_of_tenants_go_on_after_their_identity_became_a_default(stand_in: str) -> None:
    async with connected(stand_in) as conn:
        first = await tenants.add(conn, "first", "UTC")
        await run(stand_in, "--distribute")
        second = await tenants.add(conn, "second", "UTC")
        assert second.tenant_id == first.tenant_id + 1
        assert await names(conn, NARROW) == set()


async def test_sessions_know_of_citus_and_do_the_same_work_with_its_forms(stand_in: str) -> None:
    async with open_connections(stand_in) as connections, connections.acquire(Part.INTAKE) as lent:
        conn = cast(asyncpg.Connection, lent)
        assert is_distributed(conn)
        tenant = await make_tenant(conn, simple_reps(2, max_open=20))
        other = await make_tenant(conn, simple_reps(1), name="other")
        for one in (tenant, other):
            await one.accept(lead(n) for n in range(60))
            await settle(a_drain(connections), one.tenant_id)
        assert await tenant.states() == {"waiting": 20, "assigned": 40, "parked": 0, "merged": 0, "closed": 0}
        ended = await conn.fetchval("select lead_id from assignment where tenant_id = $1 limit 1", tenant.tenant_id)
        await end(conn, tenant.tenant_id, ended, Ending.WON)
        await settle(a_drain(connections), tenant.tenant_id)
        assert await tenant.states() == {"waiting": 19, "assigned": 40, "parked": 0, "merged": 0, "closed": 1}
        # Rows of both tenants are at the same places of their shards: what changes one must not touch the other.
        assert (await other.states())["assigned"] == 60
        assert (await audit(conn)).violations == []


async def test_posts_are_stored_without_the_look_that_citus_refuses(
    stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise AssertionError("look has numbers and rows of several tables in one statement")

    monkeypatch.setattr("router.intake.hand_in.look", refused)
    async with open_connections(stand_in) as connections, connections.acquire(Part.INTAKE) as lent:
        conn = cast(asyncpg.Connection, lent)
        tenant = await make_tenant(conn, simple_reps(1))
        handed_in = [HandedIn(lead(n), IdempotencyKey(f"key {n}", bytes(16))) for n in range(3)]
        first, again = [await take_in(conn, tenant.tenant_id, handed_in) for _ in range(2)]
        assert [type(one) for one in (*first, *again)] == [Taken] * 6
        assert [cast(Taken, one).lead_id for one in first] == [cast(Taken, one).lead_id for one in again]
        assert (await tenant.states())["waiting"] == 3


async def test_of_locks_on_other_servers_nothing_is_claimed(stand_in: str) -> None:
    async with open_connections(stand_in) as connections, connections.acquire(Part.INTAKE) as lent:
        conn = cast(asyncpg.Connection, lent)
        tenant = await make_tenant(conn, simple_reps(1))
        await tenant.accept([lead(1)])
        async with connected(stand_in) as other:
            held = other.transaction()
            await held.start()
            await other.execute("select from lane for update; select from lead_pool for update")
            seen = await look(conn)
            shown = await status(conn)
            await held.rollback()
    assert seen.notes == [ON_WORKERS]
    assert seen.row_locks == []
    # With one server it would name the session that holds the lane.
    assert [one.lane.holder for one in shown.tenants] == [None]


async def test_without_citus_sessions_use_the_forms_of_one_server(conn: asyncpg.Connection, database_url: str) -> None:
    session = await open_session(database_url, "lead-router", 10.0, 5_000)
    try:
        has = await conn.fetchval("select exists (select from pg_extension where extname = 'citus')")
        assert is_distributed(session) == has
    finally:
        await session.close()


UNIQUE_WITHOUT_TENANT = """
    select c.relname::text || '.' || k.relname
      from pg_index i join pg_class c on c.oid = i.indrelid join pg_class k on k.oid = i.indexrelid
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and (i.indisunique or i.indisexclusion)
       and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
       and not exists (select from pg_attribute a
                        where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnum = any(i.indkey))"""
FOREIGN_KEYS = """
    select c.conrelid::regclass::text || ' to ' || c.confrelid::regclass
      from pg_constraint c
     where c.contype = 'f' and c.connamespace = 'public'::regnamespace
       and not exists (select from unnest(c.conkey, c.confkey) as k(own, other)
                         join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.own and a.attname = 'tenant_id'
                         join pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.other
                          and b.attname = 'tenant_id')"""
FOREIGN_TABLES = """
    select unnest(array[conrelid::regclass::text, confrelid::regclass::text])
      from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace"""
OTHERS = """
    with ours as (
        select c.oid, c.relname, a.attnotnull, a.atttypid, a.attgenerated
          from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p'))
    select 'trigger ' || tgname from pg_trigger where not tgisinternal
    union all select 'rule ' || rulename from pg_rewrite r join pg_class c on c.oid = r.ev_class
               where c.relnamespace = 'public'::regnamespace
    union all select 'policy ' || polname from pg_policy
    union all select 'nullable tenant_id of ' || relname from ours where not attnotnull
    union all select 'generated tenant_id of ' || relname from ours where attgenerated <> ''
    union all select 'other type of tenant_id in ' || relname from ours where atttypid <> 'int'::regtype"""


async def test_the_schema_has_nothing_that_citus_refuses(conn: asyncpg.Connection) -> None:
    # Of a table with copies any key may be unique; partitions are spread with their table.
    assert {name.partition(".")[0] for name in await names(conn, UNIQUE_WITHOUT_TENANT)} <= set(REFERENCE)
    assert await names(conn, FOREIGN_KEYS) == set()
    assert not await names(conn, FOREIGN_TABLES) & {*REFERENCE, *LOCAL}
    assert await names(conn, OTHERS) == set()
    assert await names(conn, NARROW) == {"tenant"}, "made a default from a sequence by migrate --distribute"


@pytest.mark.parametrize(
    ("broken", "query"),
    [
        ("create unique index wrong on lead (external_id)", UNIQUE_WITHOUT_TENANT),
        ("alter table assignment add constraint wrong foreign key (rep_no) references wrong_rep", FOREIGN_KEYS),
        (
            "create trigger wrong before update on lead for each row "
            "execute function suppress_redundant_updates_trigger()",
            OTHERS,
        ),
        ("alter table lead drop constraint lead_pkey; alter table lead alter tenant_id drop not null", OTHERS),
    ],
)
async def test_what_citus_would_refuse_of_a_schema_is_found(conn: asyncpg.Connection, broken: str, query: str) -> None:
    before = await names(conn, query)
    await conn.execute("create table wrong_rep (rep_no int primary key)")
    await conn.execute(broken)
    assert await names(conn, query) - before


async def test_the_rules_know_which_functions_may_change_their_answer(conn: asyncpg.Connection) -> None:
    kinds: dict[str, set[str]] = {}
    for name, kind in await conn.fetch("select proname::text, provolatile::text from pg_proc"):
        kinds.setdefault(name, set()).add(kind)
    assert {name for name in VOLATILE if "v" not in kinds[name]} == set()
    assert {name for name in STABLE if not kinds[name] & {"s", "v"}} == set()
    # Of the others at least one form is the same for the same arguments; what is none is about the server itself.
    used = set().union(*(function_names(one.sql) for one in STATEMENTS)) - VOLATILE - STABLE
    about_the_server = {name for name in used if name.startswith("pg_")} | {
        "inet_server_addr",
        "has_function_privilege",
    }
    about_the_server |= {"has_schema_privilege", "current_schemas", "age", "mxid_age"}
    about_the_server |= {"get_shard_id_for_distribution_column"}  # of Citus' own catalogue
    assert {name for name in used - about_the_server if "i" not in kinds[name]} == set()


async def test_a_server_that_can_only_be_read_answers_what_people_look_up(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept(lead(n) for n in range(3))
    name = await conn.fetchval("select current_database()")
    await conn.execute(f'alter database "{name}" set default_transaction_read_only = on')
    settings = Settings(database_url=database_url)
    for command, arguments in (
        (status_command, []),
        (why_command, ["--tenant", "acme", "e1"]),
        (audit_command, []),
        (list_command, ["--tenant", "acme"]),
    ):
        result = await CommandLine(command, database_url, settings=settings).run(*arguments)
        assert result.exit_code in (0, 1), result.output
        assert "read-only" not in result.output.partition("findings")[0]


async def test_all_migrations_are_applied_before_tables_are_spread(stand_in: str) -> None:
    done = await spread_now(stand_in)
    async with connected(stand_in) as conn:
        applied = await conn.fetch("select migration_id from _lead_router_migration order by 1")
    assert [row[0] for row in applied] == known()
    assert done["applied"] == []


async def test_the_model_knows_the_shard_of_a_tenant(conn: asyncpg.Connection) -> None:
    numbers = [*range(1, 300), 10_000, 2_147_483_647]
    hashes = [row[0] for row in await conn.fetch("select hashint4(n) from unnest($1::int[]) as n", numbers)]
    assert hash_of_int(np.array(numbers)).tolist() == hashes
