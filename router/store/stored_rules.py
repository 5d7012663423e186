"""Versions of rules, read: long ones in a thread of their own, once for all who ask, while the process does the rest.

Ten thousand rules take seconds. Drafts that people check have another thread: routing does not stand behind them.
"""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from typing import ParamSpec, TypeVar

from router.domain.roster_change import GroupNumbers
from router.domain.ruleset import Ruleset
from router.rules.stored import as_written, read_stored, spelled
from router.store.apart import LONG_TEXT, MANY_RULES, done_meanwhile, meanwhile_in, takes_long
from router.store.statements import Connection, Row

P = ParamSpec("P")
T = TypeVar("T")

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stored rules")
_KEPT = 4
# What was read of a version holds for good. Futures of the thread, and of no event loop: there may be several loops.
_readings: "OrderedDict[bytes, Future[Ruleset]]" = OrderedDict()


async def read_version(conn: Connection, row: Row, groups: GroupNumbers) -> Ruleset:
    """As `read_stored`: a version as routing uses it. Raises RulesError.

    Who stops waiting finds what was read the next time.
    """
    if not takes_long(row["source"]) and len(row["lists"]) <= LONG_TEXT:
        return read_stored(dict(row), groups)
    rules = await done_meanwhile(conn, _reading(row))
    return await apart_for_routing(conn, len(rules.rules) > MANY_RULES, spelled, rules, groups)


async def apart_for_routing(
    conn: Connection, long: bool, work: Callable[P, T], *arguments: P.args, **options: P.kwargs
) -> T:
    """As `apart_meanwhile`, in the thread of stored versions."""
    return await meanwhile_in(_THREAD, conn, long, partial(work, *arguments, **options))


def _reading(row: Row) -> "Future[Ruleset]":
    """The one under way or done, else a new one. One that failed is forgotten: its error belongs to who asked."""
    key = _identity(row)
    known = _readings.get(key)
    if known is None or (known.done() and (known.cancelled() or known.exception() is not None)):
        known = _readings[key] = _THREAD.submit(as_written, dict(row))
    _readings.move_to_end(key)
    while len(_readings) > _KEPT:
        _readings.popitem(last=False)
    return known


def _identity(row: Row) -> bytes:
    made = blake2b(digest_size=16)
    for name in ("version", "time_zone", "source", "lists", "synonyms"):
        text = str(row[name]).encode(errors="surrogatepass")
        made.update(f"{len(text)} ".encode() + text)
    return made.digest()
