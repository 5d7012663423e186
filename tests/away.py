"""Rows of a server that is away: reading or writing them raises what Citus raises, by the real PostgreSQL.

Row-level security asks a function for each row of a table, and the function raises for tenants of such a server. It
holds for a role of its own, as which the service connects; the test itself sees all rows.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from router.store.distribution import LOCAL, REFERENCE

REFUSED = "failed with the following error: Connection refused"
_SCHEMA = f"""
create schema elsewhere;
create table elsewhere.away (tenant int primary key, server text not null);
create function elsewhere.answers(asked int) returns boolean language plpgsql stable as $$
declare of_it text;
begin
    select server into of_it from elsewhere.away where tenant = asked;
    if found then
        raise exception 'connection to the remote node % {REFUSED}', of_it using errcode = '08006';
    end if;
    return true;
end $$;
create function elsewhere.all_answer() returns boolean language plpgsql stable as $$
declare any_of text;
begin
    select server into any_of from elsewhere.away limit 1;
    if found then
        raise exception 'connection to the remote node % {REFUSED}', any_of using errcode = '08006';
    end if;
    return true;
end $$;
"""
_TABLES = """
select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"""
_COPIED = """
alter table {0} enable row level security;
create policy seen on {0} for select using (true);
create policy added on {0} for insert with check (elsewhere.all_answer());
create policy changed on {0} for update using (elsewhere.all_answer());
create policy gone on {0} for delete using (elsewhere.all_answer())"""
_SPREAD = """
alter table {0} enable row level security;
create policy there on {0} using (elsewhere.answers(tenant_id)) with check (elsewhere.answers(tenant_id))"""


@dataclass(frozen=True, slots=True)
class Servers:
    """Those beside the one of the test; `url` = as which the service connects. `admin` sees all rows."""

    admin: asyncpg.Connection
    url: str

    async def away(self, server: str, *tenants: int) -> None:
        """From now on this server, which has the rows of these tenants, does not answer."""
        await self.admin.executemany(
            "insert into elsewhere.away values ($1, $2)", [(tenant, server) for tenant in tenants]
        )

    async def back(self, server: str) -> None:
        """It answers again."""
        await self.admin.execute("delete from elsewhere.away where server = $1", server)


@asynccontextmanager
async def servers_of(admin: asyncpg.Connection, url: str) -> AsyncIterator[Servers]:
    """The database of `url` as if its tenants were on several servers; `admin` is a superuser's connection to it."""
    role = f"routing_{random.getrandbits(40):x}"
    await admin.execute(_SCHEMA)
    for table in [row[0] for row in await admin.fetch(_TABLES)]:
        if table not in LOCAL:
            await admin.execute((_COPIED if table in REFERENCE else _SPREAD).format(table))
    await admin.execute(f"create role {role} login")
    try:
        for schema in ("public", "lead_router", "elsewhere"):
            if await admin.fetchval("select to_regnamespace($1) is not null", schema):
                await admin.execute(
                    f"grant usage on schema {schema} to {role}; grant all on all tables in schema {schema} to {role}; "
                    f"grant all on all sequences in schema {schema} to {role}; "
                    f"grant execute on all functions in schema {schema} to {role}"
                )
        yield Servers(admin, url.replace("postgres@", f"{role}@"))
    finally:
        await admin.execute(f"drop owned by {role}; drop role {role}")
