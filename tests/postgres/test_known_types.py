"""What the driver asks about types is asked once, and connections that did not ask read and write them all the same."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from router.store.connections import known_types
from router.store.connections.connect import PooledSession, Session

VALUES: dict[str, list[Any]] = {
    "int": [1, None, -3],
    "bigint": [2**40],
    "float8": [0.5],
    "timestamptz": [datetime(2026, 3, 29, 1, 30, tzinfo=UTC)],
    "uuid": [UUID(int=7)],
    "bytea": [b"\x00\xff"],
    "oid": [2**31],
    "text": ["中", 'a"b', None],
}


class Asking:
    """Opens sessions of ours; `asked` has the statements about types that went to the server."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def open(self, url: str, kind: type[Session] = Session, **options: Any) -> Session:
        session: Session = await asyncpg.connect(url, connection_class=kind, **options)
        session.add_query_logger(self._heard)
        return session

    def _heard(self, query: Any) -> None:
        if "typeinfo" in query.query:
            self.asked.append(query.query)


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asking]:
    """As in a process that just began."""
    monkeypatch.setattr(known_types, "_known", {})
    of_tests: Any = vars(asyncpg.Connection)["_introspect_types"]  # which do not ask either
    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", of_tests.__wrapped__)
    yield Asking()


async def read_back(session: Session) -> dict[str, list[Any]]:
    return {kind: await session.fetchval(f"select $1::{kind}[]", value) for kind, value in VALUES.items()}


async def test_a_new_connection_does_not_ask_for_types_that_another_one_asked_for(
    empty_database_url: str, nothing_known: Asking
) -> None:
    first = await nothing_known.open(empty_database_url)
    assert await read_back(first) == VALUES
    asked = len(nothing_known.asked)
    assert asked > 1
    second = await nothing_known.open(empty_database_url)
    assert await read_back(second) == VALUES
    assert len(nothing_known.asked) == asked
    await first.close()
    await second.close()


async def test_statements_without_names_are_still_in_place_where_types_are_known(
    empty_database_url: str, nothing_known: Asking
) -> None:
    for _ in range(2):
        session = await nothing_known.open(empty_database_url, PooledSession, statement_cache_size=0)
        assert await read_back(session) == VALUES
        await session.close()


async def test_types_of_one_database_are_never_taken_for_those_of_another(
    empty_database_url: str, nothing_known: Asking
) -> None:
    for labels in (["low", "high"], ["red"]):
        session = await nothing_known.open(empty_database_url)
        await session.execute(f"create type kind as enum ({', '.join(map(repr, labels))})")
        before = len(nothing_known.asked)
        assert await session.fetchval(f"select array[{', '.join(map(repr, labels))}]::kind[]") == labels
        assert len(nothing_known.asked) > before
        assert not [oid for oids in known_types._known for oid in oids if oid >= 10_000]
        await session.execute("drop type kind")
        await session.close()
