"""Work on long rules in a thread, one piece after the other: it takes seconds, in which the process does the rest."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from router.rules.file import RulesFile, read_rules
from router.rules.lists import ReadList, no_lists
from router.store.collecting import uncollected
from router.store.errors import TRANSIENT_ERRORS
from router.store.statements import Connection, load

P = ParamSpec("P")
T = TypeVar("T")

LONG_TEXT, MANY_RULES, MANY_VALUES = 20_000, 200, 5_000
_SQL = load("apart")
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rules")
_SIGN_OF_LIFE_S = 1.0


async def apart(long: bool, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What `work` returns or raises; what is not `long` is done at once."""
    if not long:
        return work(*arguments, **options)
    return await asyncio.get_running_loop().run_in_executor(_THREAD, partial(work, *arguments, **options))


async def apart_meanwhile(
    conn: Connection | None, long: bool, work: Callable[P, T], *arguments: P.args, **options: P.kwargs
) -> T:
    """As `apart`, for who may have a connection: the server hears of it meanwhile."""
    return await meanwhile_in(_THREAD, conn, long, partial(work, *arguments, **options))


async def meanwhile_in(thread: ThreadPoolExecutor, conn: Connection | None, long: bool, work: Callable[[], T]) -> T:
    """As `apart_meanwhile`, in this thread."""
    if not long:
        return work()
    working = thread.submit(work)
    try:
        return await done_meanwhile(conn, working)
    finally:
        # Who has given up needs it no more, if it is still in line.
        working.cancel()


async def done_meanwhile(conn: Connection | None, working: "Future[T]") -> T:
    """What comes of it, which may be long in line behind the work of others.

    A session that is silent for seconds is taken for one that is dead, by the server in a transaction and by the watch
    over connections at any time: so it is heard of meanwhile.
    """
    # A session that breaks does not know afterwards whether it was in one.
    in_transaction = conn is not None and not conn.is_closed() and conn.is_in_transaction()
    done = asyncio.wrap_future(working)
    # Its error is heard also when the one who waits has given up.
    done.add_done_callback(lambda one: one.cancelled() or one.exception())
    while not done.done():
        await asyncio.wait([done], timeout=None if conn is None else _SIGN_OF_LIFE_S)
        if conn is not None and not done.done():
            await _say_still_here(conn, in_transaction)
    return done.result()


async def _say_still_here(conn: Connection, in_transaction: bool) -> None:
    try:
        await _SQL.still_here.value(conn)
    except TRANSIENT_ERRORS:
        # Outside of a transaction there is nothing to lose: rules that are applied stay so.
        if in_transaction:
            raise


def takes_long(source: str) -> bool:
    """Whether reading the text of rules may take long: with anchors or lists a short one has very many values."""
    return len(source) > LONG_TEXT or "&" in source or "in_file" in source


async def read_apart(source: str, file: str, lists: ReadList = no_lists, conn: Connection | None = None) -> RulesFile:
    """As `read_rules`, with signs of life of `conn` meanwhile. Raises RulesError."""
    long = takes_long(source)
    if not long:
        return read_rules(source, file, lists)
    return await apart_meanwhile(conn, long, uncollected, read_rules, source, file, lists)


def has_many(rules: RulesFile) -> bool:
    """Whether looking for what is odd takes long: each rule is compared with those before it, value by value."""
    if len(rules.ruleset.rules) > MANY_RULES or len(rules.lines) > MANY_VALUES:
        return True
    # A few rules may name lists of a hundred thousand values.
    return sum(map(len, rules.lists.values())) > LONG_TEXT
