"""What Citus refuses is in no statement: the same SQL is to run on one server and on several (docs/scaling.md)."""

import re
from pathlib import Path

import pytest

from ops.cleanup.catalogue import TABLES
from router.store.distribution import LOCAL, REFERENCE
from router.store.statements import Statement, load, sql_root
from tests.citus_migrations import broken_by_migration
from tests.citus_rules import Kinds, broken_rules
from tests.citus_server import ONE_SERVER

NAMES = frozenset(table.name for table in TABLES)
KINDS = Kinds(distributed=NAMES - {*REFERENCE, *LOCAL}, reference=frozenset(REFERENCE))
FAMILIES = sorted(path.stem for path in (sql_root() / "queries").glob("*.sql"))

TOOLS = {
    "bench": "fills and measures a database of its own",
    "faults": "breaks a server of its own and looks into its catalogue",
    "load": "watches a load test",
    "peers": "makes the tables of other queues",
    "profile": "reads the server's own statistics",
    "schema": "reads the catalogue of a database that was just migrated, for sql/schema.md",
    "summary": "summarises demos and replays, in a database that was made for them",
}
"""Families that never meet a distributed database."""

COORDINATOR = "is about the coordinator's own session or catalogue, and is meant to stay there"
LISTED = {
    "change_log.changes": "local: the schema's own table is a part of the UNION by itself, which the coordinator reads",
    "connections.name_session": f"settings: {COORDINATOR}",
    "look.look": "numbers, record: on Citus leads are looked up as those that may be there, and new_numbers is asked",
    "maintenance.find_functions": f"settings: {COORDINATOR}",
    "migrate.lock_timeout": f"settings: {COORDINATOR}",
    "partitions.utc": f"settings: {COORDINATOR}",
    "roster_sync.only_read": "settings: is about the database of the CRM, which is none of ours",
}
"""Statements that break a rule, with the rules and the reason."""

STATEMENTS = [one for family in FAMILIES if family not in TOOLS for one in load(family)]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda one: one.full_name)
def test_a_statement_has_nothing_that_citus_refuses(statement: Statement) -> None:
    found = broken_rules(statement.on_citus, KINDS)
    listed = LISTED.get(statement.full_name)
    if listed is None:
        assert found == [], f"{statement.full_name}: see the rules in tests/citus_rules.py and docs/scaling.md"
    else:
        rules = listed.partition(":")[0]
        broken = ", ".join(sorted({one.partition(":")[0] for one in found}))
        assert broken == rules, f"{statement.full_name} is listed for {rules}"


def test_what_is_listed_is_there() -> None:
    assert LISTED.keys() <= {one.full_name for one in STATEMENTS}
    assert TOOLS.keys() <= set(FAMILIES)
    assert {*REFERENCE, *LOCAL} <= NAMES


BREAKS = {
    "returning: pg_notify": "update tenant set ruleset = 1 where tenant_id = $1 returning pg_notify('c', 'x')",
    "returning: clock_timestamp": """
        delete from lane_inbox where tenant_id = $1 returning greatest(at, clock_timestamp())""",
    "returning: a time and an interval": "delete from lane_inbox where tenant_id = $1 returning at + interval '1 s'",
    "returning: statement_timestamp": "update process set pid = 1 where tenant_id = 0 returning statement_timestamp()",
    "volatile: clock_timestamp in SET": "update stall set seen_at = clock_timestamp() where tenant_id = $1",
    "volatile: clock_timestamp in SET or WHERE of mute": """
        delete from mute where tenant_id = $1 and until < clock_timestamp()""",
    "volatile: random": "with a as (update lane set state_token = random() where tenant_id = $1) select 1",
    "case: statement_timestamp": """
        update webhook set failing_since = coalesce(failing_since, statement_timestamp()) where tenant_id = $1""",
    "case: a time and an interval": """
        update webhook set held_until = case when enabled then $2::timestamptz - interval '1 s' end
        where tenant_id = $1""",
    "stable: a time and an interval": """
        update lead set created_at = created_at + make_interval(secs => $2) where tenant_id = $1""",
    "stable: to_jsonb": "update cleanup_run set removed = to_jsonb(run_no) where tenant_id = $1",
    "on conflict: statement_timestamp": """
        insert into journal (tenant_id, journal_id) values (0, $1)
            on conflict (tenant_id, journal_id) do update set seen_at = statement_timestamp()""",
    "values: a subquery": """
        insert into removed_count (tenant_id, leads) values ($1, (select count(*) from lead
         where tenant_id = $1))""",
    "insert: tenant_id": "insert into seen_blocker (began_at, pid) values (now(), 1)",
    "record: a row": "select array(select row (rep_no, open) from rep_load where tenant_id = $1)",
    "union: a part": """
        with ended as (delete from assignment where tenant_id = $1 returning *)
        select array(select e.rep_no union all select h.rep_no from assignment_history h
        where h.tenant_id = $1) from ended e""",
    "settings: set_config": "select set_config('enable_sort', 'off', true)",
    "numbers: nextval": "select nextval('customer_id_seq'), batch_no from lane where tenant_id = $1",
    "hint: pg_notify": """
        with gone as (delete from lane_inbox where tenant_id = $1 returning id) select pg_notify('c', 'x') from gone""",
    "catalog: pg_locks": "select from lane l left join pg_locks h on h.transactionid = l.xmax where l.tenant_id = $1",
    "local: maintenance_run": """
        select from lane l join maintenance_run r on r.tenant_id = l.tenant_id where l.tenant_id = $1""",
    "local: incoming": """
        insert into lead (tenant_id, lead_id) select i.tenant_id, l.lead_id from incoming i, lead l
         where l.tenant_id = $1""",
    "lateral: LATERAL": """
        select t.tenant_id, l.at from unnest($1::int[]) as t(tenant_id)
         cross join lateral (select max(received_at) as at from lead where lead.tenant_id = t.tenant_id) l""",
    "correlated: a subquery": """
        select name from tenant t where exists (select from lead l where l.tenant_id = t.tenant_id)""",
    "outer: LEFT JOIN": "select name from tenant t left join event_feed f on f.tenant_id = t.tenant_id",
    "lock: FOR UPDATE": "select tenant_id from lane where tenant_id = any($1::int[]) for update",
    "tenants: lead not joined": """
        with ended as (delete from assignment where tenant_id = $1 returning *)
        select from ended e join lead l on l.tenant_id = e.tenant_id and l.lead_id = e.lead_id""",
    "tenants: lead_pool not joined": """
        delete from lead_pool where ctid = any(array(select ctid from lead_pool
        where tenant_id = $1 limit 10 for update skip locked))""",
    "tenants: lane, lead": "select from lane a join lead b on b.lead_id = a.noted_lead",
    "tenants: cleanup_run": "select from lane l, cleanup_run r where l.tenant_id = $1 and r.tenant_id = 0",
}


@pytest.mark.parametrize("rule", BREAKS)
def test_a_statement_that_citus_refuses_is_found(rule: str) -> None:
    found = broken_rules(BREAKS[rule], KINDS)
    assert any(one.startswith(rule) for one in found), found


TAKEN = {
    "one tenant, whatever is asked": """
        select p.lead_id, x.n from lead_pool p
         cross join lateral (select count(*) as n from lead l
         where l.tenant_id = $1 and l.customer_id = p.customer_id limit 1) x
         where p.tenant_id = $1 for update of p skip locked""",
    "several tenants, with a distributed table in front": """
        select t.tenant_id, l.at from lane t
         cross join lateral (select received_at as at from lead
         where lead.tenant_id = t.tenant_id order by lead_id desc limit 1) l
         where t.tenant_id = any($1::int[])""",
    "all tenants": """
        select l.tenant_id from lane l where exists (select from lead_pool p where p.tenant_id = l.tenant_id)""",
    "what was changed, with the time of the main query": """
        with news as (delete from lane_inbox
        where tenant_id = $1 returning at) select greatest(at, clock_timestamp()) from news""",
    "a time that a subquery brings": """
        update webhook w set failing_since = coalesce(failing_since, m.now) from (select statement_timestamp() as now) m
         where w.tenant_id = $1""",
    "a time without its zone": """
        update lead set created_at = (created_at at time zone 'UTC' + make_interval(secs => $2)) at time zone 'UTC'
        where tenant_id = $1""",
    "a difference of times": """
        update stall set ended_at = $2 where tenant_id = $1 returning extract(epoch from ended_at - began_at)""",
    "a hint by itself": "select pg_notify('lead_router', $1::int::text)",
}


@pytest.mark.parametrize("what", TAKEN)
def test_a_statement_that_citus_takes_is_not_found(what: str) -> None:
    assert broken_rules(TAKEN[what], KINDS) == []


def test_rows_found_by_their_place_are_changed_in_their_own_shard() -> None:
    by_place = [one for one in STATEMENTS if re.search(r"\bctid = (any|at)", one.sql)]
    assert len(by_place) > 10
    for one in by_place:
        number = one.parameters.index("tenant_id") + 1
        assert re.search(rf"where (\w+\.)?tenant_id = \${number} and (\w+\.)?ctid = ", one.on_citus), one.full_name
        assert one.on_citus.count("ctid = ") == one.sql.count("ctid = ")
    assert all(one.on_citus == one.sql for one in STATEMENTS if one not in by_place)


def test_what_is_passed_over_on_citus_is_there() -> None:
    files = {path.stem for path in Path(__file__).parents[1].joinpath("postgres").glob("test_*.py")}
    assert ONE_SERVER.keys() <= files


FIRST_LATER = "0030"
"""Before it no table could be distributed: those migrations are applied before."""


def test_a_later_migration_has_nothing_that_citus_refuses_of_distributed_tables() -> None:
    later = [path for path in (sql_root() / "migrations").glob("*.sql") if path.stem >= FIRST_LATER]
    parts = {path.stem: path.read_text("utf-8").partition("-- migrate: rollback")[0] for path in later}
    assert {name: found for name, sql in parts.items() if (found := broken_by_migration(sql))} == {}


@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("trigger", "create trigger t before insert on lead for each row execute function f()"),
        ("unique", "create unique index u on lead (external_id)"),
        ("alone", "alter table lead add column x int, add constraint c check (x > 0)"),
        ("statistics", "alter table lead alter column tenant_id set statistics 0"),
    ],
)
def test_a_migration_that_citus_refuses_is_found(rule: str, sql: str) -> None:
    assert [one.partition(":")[0] for one in broken_by_migration(sql)] == [rule]


def test_what_a_migration_makes_is_its_own_until_it_is_distributed() -> None:
    new = "create table t (tenant_id int primary key, x int); alter table t alter column tenant_id set statistics 0;"
    assert broken_by_migration(f"{new} alter table lead add column y int; alter table lead add check (y > 0)") == []
