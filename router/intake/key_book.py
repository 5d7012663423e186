"""Whose the leads of a file would be: what the database knows, and what the file brought so far. Writes nothing to it.

What the file brings is kept in a temporary file of this process, since it may be more than memory holds.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from router.rules.customers import Key, Known, Resolution, SharedKey, newly_shared, resolve
from router.store.customers import known_keys
from router.store.statements import Connection

FIRST_NEW = 1 << 62
"""Numbers from here on are those of customers that an import would make."""


class KeyBook:
    """Keys of the leads so far, in a database of SQLite that the caller closes."""

    def __init__(self, conn: Connection, tenant_id: int, book: sqlite3.Connection, shared_above: int) -> None:
        self._conn = conn
        self._tenant_id = tenant_id
        self._book = book
        self._shared_above = shared_above
        self._next = FIRST_NEW
        book.execute("create table key (name text primary key, customer int, people text, shared text) without rowid")

    async def resolve(self, leads: Sequence[tuple[Key, ...]]) -> tuple[Resolution, list[SharedKey]]:
        """Whose the leads would be, and which keys would be used no more from now on."""
        known = await self._known({key.name for keys in leads for key in keys})
        found = resolve(leads, known, self._shared_above)
        settled = found.numbered(range(self._next, self._next + found.new))
        self._next += found.new
        self._book.executemany(
            "insert or replace into key values (?, ?, ?, ?)",
            (
                (name, customer, " ".join(map(str, settled.people[name])), settled.shared.get(name))
                for name, customer in settled.keys.items()
            ),
        ).close()
        return settled, newly_shared(settled, known)

    async def _known(self, names: set[str]) -> dict[str, Known]:
        here = {name: key for name in names if (key := self._noted(name)) is not None}
        return here | await known_keys(self._conn, self._tenant_id, sorted(names - here.keys()))

    def _noted(self, name: str) -> Known | None:
        with closing(self._book.execute("select customer, people, shared from key where name = ?", (name,))) as found:
            row = found.fetchone()
        return None if row is None else Known(row[0], frozenset(map(int, row[1].split())), row[2])
