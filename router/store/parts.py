"""Asking about many tenants in parts, while a server that has rows of some of them does not answer.

A statement about tenants of several servers fails as a whole when one of the servers is away (Citus). Where the
coordinator's catalogue says which server has whom, each server is asked for its own; else halves are asked, down to
single tenants.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

from router.store.distribution import placed
from router.store.errors import TRANSIENT_ERRORS, PostgresError, server_of
from router.store.lane import lanes_there
from router.store.other_server import NOT_ASKED
from router.store.statements import Connection
from router.store.tenants import all_tenants

T = TypeVar("T")

PART_S = 2.0
"""So long one server may take to answer for its part."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Why a tenant cannot be asked for: its server (host:port), and what was said of it."""

    server: str
    problem: str


@dataclass(slots=True)
class InParts(Generic[T]):
    """What was found; the tenants of servers that do not answer, and those not asked since the time was over."""

    found: list[T] = field(default_factory=list)
    away: dict[int, Unanswered] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)


async def ask_in_parts(
    conn: Connection,
    tenant_ids: Sequence[int],
    ask: Callable[[Connection, Sequence[int]], Awaitable[Sequence[T]]],
    within_s: float,
) -> InParts[T]:
    """Asks for these tenants, in their order as far as that can be, for `within_s` seconds at the most.

    `ask` is a transaction of its own. Raises what it raises, unless that is about a server with rows; and
    TimeoutError where it is not known which server does not answer.
    """
    result = InParts[T]()
    parts = deque(_parts(tenant_ids, await placed(conn, tenant_ids)))
    end = monotonic() + within_s
    while parts:
        server, ids = parts.popleft()
        if monotonic() >= end:
            result.left += ids
            continue
        try:
            async with asyncio.timeout(PART_S):
                result.found += await ask(conn, ids)
        except PostgresError as error:
            named = server_of(error)
            if named is None:
                raise
            if server is None and len(ids) > 1:
                half = len(ids) // 2
                parts.extendleft([(None, ids[half:]), (None, ids[:half])])
            else:
                result.away |= dict.fromkeys(ids, Unanswered(server or named, f"{type(error).__name__}: {error}"))
        except TimeoutError:
            if server is None:
                raise
            result.away |= dict.fromkeys(ids, Unanswered(server, f"it did not answer within {PART_S:g} s"))
    return result


async def of_all(
    conn: Connection, ask: Callable[[Connection, Sequence[int] | None], Awaitable[Sequence[T]]], within_s: float
) -> InParts[T]:
    """Asks for all tenants (None) at once, and, while a server that has some does not answer, in parts.

    Raises as `ask_in_parts`, and the first error where then every server answers.
    """
    try:
        return InParts(list(await ask(conn, None)))
    except TRANSIENT_ERRORS as error:
        if server_of(error) is None:
            raise
        result = await ask_in_parts(conn, [one.tenant_id for one in await all_tenants(conn)], ask, within_s)
        if not (result.away or result.left):
            raise
        return result


def _parts(tenant_ids: Sequence[int], servers: Mapping[int, str]) -> list[tuple[str | None, list[int]]]:
    """One for each server, in the order of their first tenants; one for all whose server is not known."""
    by_server: defaultdict[str | None, list[int]] = defaultdict(list)
    for tenant_id in tenant_ids:
        by_server[servers.get(tenant_id)].append(tenant_id)
    return list(by_server.items())


async def tenants_away(conn: Connection, tenant_ids: Sequence[int], within_s: float) -> dict[int, Unanswered]:
    """Those of these tenants whose server does not answer, or that could not be asked for in time."""
    asked = await ask_in_parts(conn, tenant_ids, lanes_there, within_s)
    not_asked = Unanswered(NOT_ASKED, f"{len(asked.left):,} tenants could not be asked for within {within_s:g} s")
    return asked.away | dict.fromkeys(asked.left, not_asked)
