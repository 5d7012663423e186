"""What importing a file would do, found out without writing anything."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from hashlib import blake2b
from types import TracebackType

from router.domain.lead_in import LeadIn
from router.intake.lead_import import Taken
from router.store.leads import Identity, stored_leads
from router.store.statements import Connection

_KEY_BYTES = 16


class Checking:
    """The intake that only looks. Use `with`.

    Which leads came before in the same file is kept in a temporary file of this process, since it may be more than
    memory holds. Whether a new lead repeats an earlier enquiry is decided when it is stored: `merged` is None.
    """

    def __init__(self, conn: Connection, tenant_id: int) -> None:
        self._conn = conn
        self._tenant_id = tenant_id
        self._seen = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._seen.execute("pragma journal_mode = off")
        self._seen.execute("create table seen (lead blob primary key) without rowid")

    def __enter__(self) -> "Checking":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._seen.close()

    async def take(self, leads: Sequence[LeadIn]) -> Taken:
        stored = await stored_leads(self._conn, self._tenant_id, leads)
        new: dict[Identity, LeadIn] = {}
        for lead in leads:
            if lead[:2] not in stored:
                new.setdefault(lead[:2], lead)
        fresh = [lead for lead in new.values() if self._first(lead)]
        # A lead that nobody can reach has no customer, and so repeats nothing.
        parked = sum(lead.invalid is not None for lead in fresh)
        return Taken(len(fresh), len(leads) - len(fresh), None, parked)

    def _first(self, lead: LeadIn) -> bool:
        key = blake2b("\0".join(lead[:2]).encode(), digest_size=_KEY_BYTES).digest()
        with closing(self._seen.execute("insert or ignore into seen values (?)", (key,))) as inserted:
            return inserted.rowcount == 1
