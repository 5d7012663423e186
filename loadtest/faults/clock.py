"""A database whose clock can be set: functions of the same names come first in the search path of new sessions."""

import asyncio
from datetime import datetime, timedelta
from itertools import count

import asyncpg

from loadtest.faults.foreign import foreigner
from loadtest.faults.people import PASSED

_ATTEMPTS = 50

_CLOCK = """
create schema clock;
create table clock.ahead (of_the_real_one interval);
insert into clock.ahead values ('0');
create function clock.clock_timestamp() returns timestamptz language sql volatile as
    $$ select pg_catalog.clock_timestamp() + of_the_real_one from clock.ahead $$;
create function clock.statement_timestamp() returns timestamptz language sql volatile as
    $$ select pg_catalog.statement_timestamp() + of_the_real_one from clock.ahead $$;
alter database "{}" set search_path = public, clock, pg_catalog;
"""


async def install_clock(conn: asyncpg.Connection) -> None:
    """From the next session on, the database has a clock that can be set; it is right until then."""
    await conn.execute(_CLOCK.format(await conn.fetchval("select current_database()")))
    await conn.execute("set search_path = public, clock, pg_catalog")


async def set_the_clock(url: str, ahead: timedelta) -> None:
    """As `set_clock_ahead`, however busy the server is."""
    for attempt in count():
        try:
            async with foreigner(url) as conn:
                await set_clock_ahead(conn, ahead)
                return
        except PASSED:
            if attempt == _ATTEMPTS:
                raise
            await asyncio.sleep(0.2)


async def set_clock_ahead(conn: asyncpg.Connection, by: timedelta) -> None:
    """From now on it is ahead of the real one."""
    await conn.execute("update clock.ahead set of_the_real_one = $1", by)


async def set_clock(conn: asyncpg.Connection, moment: datetime) -> None:
    """From now on it goes on from `moment`."""
    await conn.execute(
        "update clock.ahead set of_the_real_one = $1::timestamptz - pg_catalog.clock_timestamp()", moment
    )
