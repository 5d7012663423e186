"""External ids of a file so far, to notice those of several sources; writes nothing but a temporary file."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from router.domain.lead_in import LeadIn
from router.store.ids import Elsewhere, SameIds, ids_elsewhere, sources_of
from router.store.statements import Connection

KEPT = 100


class IdBook:
    """Ids of the new leads so far, in a database of SQLite that the caller closes."""

    def __init__(self, conn: Connection, tenant_id: int, book: sqlite3.Connection) -> None:
        self._conn = conn
        self._tenant_id = tenant_id
        self._book = book
        self._sources: list[str] | None = None
        self.same = SameIds()
        book.execute("create table id (id text primary key, source text) without rowid")

    async def look(self, leads: Sequence[LeadIn], lines: Sequence[int]) -> set[int]:
        """The places of the leads whose id another source has, stored or earlier in the file."""
        if self._sources is None:
            self._sources = await sources_of(self._conn, self._tenant_id)
        stored = await ids_elsewhere(self._conn, self._tenant_id, leads, self._sources)
        found = set[int]()
        for place, (lead, line) in enumerate(zip(leads, lines, strict=True)):
            other = self._noted(lead)
            if place in stored:
                self._add(Elsewhere(line, lead.source, lead.external_id, *stored[place]))
            elif other is not None:
                self._add(Elsewhere(line, lead.source, lead.external_id, other, None))
            else:
                continue
            found.add(place)
        return found

    def _noted(self, lead: LeadIn) -> str | None:
        """The other source from which the id came first in the file; notes it, where it is the first."""
        self._book.execute("insert or ignore into id values (?, ?)", (lead.external_id, lead.source)).close()
        with closing(self._book.execute("select source from id where id = ?", (lead.external_id,))) as rows:
            source: str = rows.fetchone()[0]
        return None if source == lead.source else source

    def _add(self, one: Elsewhere) -> None:
        self.same.count += 1
        if len(self.same.named) < KEPT:
            self.same.named.append(one)
