"""A small consistent world for the audit, written with plain SQL, and a writer that keeps changing it.

One tenant in Asia/Shanghai, three reps in two groups, four batches; leads in every state. It says nothing of how
the service comes to such rows, so that the audit is judged by the schema's meaning alone.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg

T = 1
BATCH_1 = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
ASSIGNED, OWN_CAP, WAITING_READY, REFUSED, PARKED, INVALID = 1, 3, 5, 4, 6, 7
MERGED, MERGED_TOO, CLOSED, RETURNED, WITHDRAWN = 8, 12, 9, 10, 11
ACCEPTED = 12
STATES = {
    "waiting": 4,
    "assigned": 3,
    "parked": 2,
    "merged": 2,
    "closed": 1,
    "archived": 0,
    "removed": 0,
    "journalled": 0,
}

WORLD = """
insert into tenant (tenant_id, name, time_zone, roster, ruleset, rates)
     overriding system value values (1, 'acme', 'Asia/Shanghai', 2, 1, 1);
insert into ruleset (tenant_id, version, author, source)
     values (1, 1, 'test', E'defaults: {max_open: 4, max_per_day: 5}\\nrules: []\\n');
insert into roster_version (tenant_id, version, author) values (1, 1, 'test'), (1, 2, 'test');
insert into rates (tenant_id, version, as_of, body) values (1, 1, now(), '');
insert into grp (tenant_id, group_no, name) values (1, 1, 'east'), (1, 2, 'west');
insert into rep (tenant_id, rep_no, rep_id) values (1, 1, 'ada'), (1, 2, 'bo'), (1, 3, 'cy');
insert into rep_row (tenant_id, rep_no, from_version, to_version, name, time_zone, groups, max_open, max_per_day) values
    (1, 1, 1, null, 'Ada', 'Asia/Shanghai', '{1}', null, null),
    (1, 2, 1, 2, 'Bo', 'Asia/Shanghai', '{1}', 2, 2),
    (1, 2, 2, null, 'Bo', 'Asia/Shanghai', '{1,2}', 2, 2),
    (1, 3, 1, null, 'Cy', 'Asia/Shanghai', '{2}', null, null);
insert into lane (tenant_id, batch_no, last_at, ruleset, roster, rates, next_wake_key)
     values (1, 4, '2026-03-02 05:00Z', 1, 2, 1, 2);
insert into flight (tenant_id, batch_no, at, ruleset, roster, rates, kind, leads, inputs) values
    (1, 1, '2026-03-02 02:00Z', 1, 1, 1, 'drain', 5, ''), (1, 2, '2026-03-02 03:00Z', 1, 2, 1, 'hand', 2, ''),
    (1, 3, '2026-03-02 04:00Z', 1, 2, 1, 'drain', 1, ''), (1, 4, '2026-03-02 05:00Z', 1, 2, 1, 'drain', 0, '');
insert into wake_key (tenant_id, wake_key, ruleset, targets) values (1, 1, 1, 'g2');
insert into lead (tenant_id, lead_id, source, external_id, created_at) overriding system value
    select 1, n, 'web', 'e' || n, '2026-03-02 01:00Z' from generate_series(1, 12) n;
select setval(pg_get_serial_sequence('lead', 'lead_id'), 12);
insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq, rule_no, group_no) values
    (1, 1, 1, '2026-03-02 02:00Z', 1, 0, 0, 1), (1, 2, 1, '2026-03-02 02:00Z', 1, 1, 0, 1),
    (1, 3, 2, '2026-03-02 03:00Z', 2, 0, null, null);
insert into assignment_history
    (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq, rule_no, group_no, ended_at, outcome) values
    (1, 9, 2, '2026-03-02 02:00Z', 1, 2, 0, 1, '2026-03-02 02:30Z', 'won'),
    (1, 10, 1, '2026-03-02 02:00Z', 1, 3, 0, 1, '2026-03-02 02:40Z', 'returned'),
    (1, 11, 3, '2026-03-02 02:00Z', 1, 4, 0, 2, '2026-03-02 04:30Z', 'withdrawn');
insert into closed (tenant_id, lead_id, closed_at, outcome) values (1, 9, '2026-03-02 02:30Z', 'won');
insert into lead_pool (tenant_id, lead_id, wake_key, rank, queued_at, recheck_at, last_batch_no, created_at) values
    (1, 4, 1, 0, '2026-03-02 01:00Z', '2026-03-03 01:00Z', 3, '2026-03-02 01:00Z'),
    (1, 5, 0, 0, '2026-03-02 01:00Z', null, null, '2026-03-02 01:00Z'),
    (1, 10, 0, 0, '2026-03-02 02:40Z', null, null, '2026-03-02 01:00Z'),
    (1, 11, 0, 0, '2026-03-02 04:30Z', null, null, '2026-03-02 01:00Z');
insert into parked (tenant_id, lead_id, reason, parked_at, last_batch_no) values
    (1, 6, 'no_matching_rule', '2026-03-02 03:00Z', 2), (1, 7, 'lead_invalid', '2026-03-02 01:00Z', null);
insert into merged (tenant_id, lead_id, into_lead_id, merged_at) values
    (1, 8, 1, '2026-03-02 01:00Z'), (1, 12, 1, '2026-03-02 01:00Z');
-- Cy's withdrawn lead stands in the inbox; the others' endings were folded in.
insert into rep_load (tenant_id, rep_no, open, day, today) values
    (1, 1, 2, '2026-03-02', 3), (1, 2, 1, '2026-03-02', 2), (1, 3, 1, '2026-03-02', 1);
insert into lane_inbox (tenant_id, rep_no, open_delta, day, today_delta) values (1, 3, -1, '2026-03-02', -1);
insert into group_share (tenant_id, group_no, reps, credit) values (1, 1, '{1,2}', '{-700,700}'), (1, 2, '{3}', '{0}');
insert into customer_owner (tenant_id, customer_id, rep_no) values (1, 100, 1);
"""


async def build(conn: asyncpg.Connection) -> None:
    """Fills the empty database."""
    await conn.execute(WORLD)


async def give(
    conn: asyncpg.Connection, rep_no: int, at: datetime, *, roster: int = 2, seq: int = 0, batch_no: int | None = None
) -> int:
    """A batch at `at` that gives a new lead to a rep; with `batch_no`, one more lead of that batch. The lead's id."""
    async with conn.transaction():
        if batch_no is None:
            batch_no = await conn.fetchval(
                "update lane set batch_no = batch_no + 1, last_at = $1 where tenant_id = 1 returning batch_no", at
            )
            await conn.execute("insert into flight values (1, $1, $2, 1, $3, 1, 'drain', 1, '')", batch_no, at, roster)
        lead_id: int = await conn.fetchval(
            "insert into lead (tenant_id, source, external_id, created_at) values (1, 'web', gen_random_uuid(), $1) "
            "returning lead_id",
            at,
        )
        await conn.execute(
            "insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq) "
            "values (1, $1, $2, $3, $4, $5)",
            lead_id, rep_no, at, batch_no, seq,
        )  # fmt: skip
        await conn.execute(
            """insert into rep_load as l values (1, $1, 1, ($2 at time zone 'Asia/Shanghai')::date, 1)
               on conflict (tenant_id, rep_no) do update set open = l.open + 1, day = excluded.day,
                  today = case when l.day = excluded.day then l.today + 1 else 1 end""",
            rep_no, at,
        )  # fmt: skip
    return lead_id


async def end(conn: asyncpg.Connection, lead_id: int, at: datetime, outcome: str) -> None:
    """Ends an assignment at `at`: history, the inbox, and the state that comes after."""
    async with conn.transaction():
        await conn.execute(
            """with gone as (delete from assignment where tenant_id = 1 and lead_id = $1 returning *),
                    told as (insert into lane_inbox (tenant_id, rep_no, open_delta, day, today_delta)
                             select 1, rep_no, -1, (assigned_at at time zone 'Asia/Shanghai')::date,
                                    case $3 when 'withdrawn' then -1 else 0 end from gone)
               insert into assignment_history select gone.*, $2, $3 from gone""",
            lead_id, at, outcome,
        )  # fmt: skip
        if outcome == "won":
            await conn.execute("insert into closed values (1, $1, $2, 'won')", lead_id, at)
        else:
            await conn.execute(
                "insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at) values (1, $1, 0, $2, $2)",
                lead_id, at,
            )  # fmt: skip


async def fold(conn: asyncpg.Connection) -> None:
    """Takes what stands in the inbox off the loads."""
    await conn.execute(
        """with news as (delete from lane_inbox where tenant_id = 1 returning rep_no, open_delta, day, today_delta)
           update rep_load l
              set open = open + n.opened,
                  today = today + (select coalesce(sum(today_delta), 0) from news
                                    where news.rep_no = l.rep_no and news.day = l.day)
             from (select rep_no, sum(open_delta) as opened from news group by rep_no) n
            where l.tenant_id = 1 and l.rep_no = n.rep_no"""
    )


async def keep_changing(conn: asyncpg.Connection, stop: asyncio.Event) -> int:
    """Gives leads, ends them, folds the inbox, parks and unparks, until told to stop; answers how often."""
    rounds, at = 0, BATCH_1 + timedelta(days=1)
    while not stop.is_set():
        at += timedelta(hours=6)
        lead_id = await give(conn, 3, at)
        outcome = ("won", "returned", "withdrawn")[rounds % 3]
        await end(conn, lead_id, at + timedelta(minutes=10), outcome)
        if rounds % 2:
            await fold(conn)
        if outcome == "returned":
            await conn.execute(
                "with gone as (delete from lead_pool where tenant_id = 1 and lead_id = $1 returning *) "
                "insert into parked (tenant_id, lead_id, reason, parked_at) select 1, lead_id, 'paused', $2 from gone",
                lead_id, at,
            )  # fmt: skip
        rounds += 1
    return rounds
