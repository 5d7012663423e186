"""Versions of rules, read: long ones in a thread of their own, once for all who ask, while the process does the rest.

Ten thousand rules take seconds. Drafts that people check have another thread: routing does not stand behind them.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from router.domain.roster_change import GroupNumbers
from router.domain.ruleset import Ruleset
from router.rules.stored import as_written, read_stored, spelled
from router.store.apart import LONG_TEXT, MANY_RULES, done_meanwhile, meanwhile_in, takes_long
from router.store.collecting import uncollected
from router.store.shared_readings import SharedReadings
from router.store.statements import Connection, Row

P = ParamSpec("P")
T = TypeVar("T")

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stored rules")
# What was read of a version holds for good.
_readings = SharedReadings[Ruleset](_THREAD, entries=4, characters=16_000_000)


async def read_version(conn: Connection | None, row: Row, groups: GroupNumbers) -> Ruleset:
    """As `read_stored`: a version as routing uses it. Raises RulesError.

    The server hears of `conn` meanwhile, where there is one. Who stops waiting finds what was read the next time.
    """
    if not takes_long(row["source"]) and len(row["lists"]) <= LONG_TEXT:
        return read_stored(dict(row), groups)
    rules = await done_meanwhile(conn, _reading(row))
    return await apart_for_routing(conn, len(rules.rules) > MANY_RULES, spelled, rules, groups)


async def apart_for_routing(
    conn: Connection | None, long: bool, work: Callable[P, T], *arguments: P.args, **options: P.kwargs
) -> T:
    """As `apart_meanwhile`, in the thread of stored versions."""
    return await meanwhile_in(_THREAD, conn, long, partial(work, *arguments, **options))


def _reading(row: Row) -> "Future[Ruleset]":
    parts = tuple(str(row[name]) for name in ("version", "time_zone", "source", "lists", "synonyms"))
    return _readings.of(parts, partial(uncollected, as_written, dict(row)))
