"""What importing a file would do; nothing is written."""

import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from hashlib import blake2b
from types import TracebackType

from router.domain.lead_in import LeadIn
from router.intake.key_book import KeyBook
from router.intake.lead_import import Taken
from router.rules.customers import customer_keys
from router.rules.differences import COMPARED, Again, Difference, Facts, alike, differing, facts_of
from router.rules.match_rules import MatchRules
from router.store.leads import archived_leads, differences, stored_leads
from router.store.statements import Connection

_KEY_BYTES = 16
_MARKS = struct.Struct(f"{len(COMPARED)}q")


class Checking:
    """The intake that only looks. Use `with`.

    Which leads came earlier in the same file, hashes of their facts, and the keys of their customers are kept in a
    temporary file of this process, since they may be more than memory holds. Whether a new lead repeats an earlier
    enquiry is decided when it is stored: `merged` is None.
    """

    def __init__(self, conn: Connection, tenant_id: int, rules: MatchRules) -> None:
        self._conn = conn
        self._tenant_id = tenant_id
        self._seen = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._seen.execute("pragma journal_mode = off")
        # One transaction that never ends: each of its own would cost more than it writes.
        self._seen.execute("begin")
        self._seen.execute("create table seen (lead blob primary key, marks blob) without rowid")
        self._rules = rules
        self._keys = KeyBook(conn, tenant_id, self._seen, rules.shared_above)

    def __enter__(self) -> "Checking":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._seen.close()

    def prepare(self, leads: Sequence[LeadIn]) -> None:
        """Nothing."""

    async def take(self, leads: Sequence[LeadIn], prepared: object = None, lines: Sequence[int] = ()) -> Taken:
        stored = await stored_leads(self._conn, self._tenant_id, leads)
        archived = await archived_leads(self._conn, self._tenant_id, [x for x in leads if x[:2] not in stored])
        new: list[int] = []
        parked = 0
        unlike: list[Again] = []
        found: list[Difference] = []
        for place, lead in enumerate(leads):
            if there := stored.get(lead[:2]):
                if not alike(says := facts_of(lead), said := there[2:]):
                    unlike.append(Again(place, says, said))
            elif lead[:2] in archived:
                continue
            elif (marks := self._marks_before(lead)) is None:
                new.append(place)
                # A lead that cannot be reached has no customer, and so repeats nothing.
                parked += lead.invalid is not None
            elif fields := differing(_marked(lead), marks):
                found.append(Difference(place, fields))
        found += await differences(self._conn, self._tenant_id, unlike)
        settled, shared = await self._keys.resolve([customer_keys(leads[place], self._rules) for place in new])
        overlaps = [one._replace(place=new[one.place]) for one in settled.overlaps]
        return Taken(len(new), len(leads) - len(new), None, parked, sorted(found), overlaps, shared)

    def _marks_before(self, lead: LeadIn) -> Facts | None:
        """What the lead was marked with when it came earlier in the file; None = it did not, and is marked now."""
        key = blake2b("\0".join(lead[:2]).encode(), digest_size=_KEY_BYTES).digest()
        marks = _MARKS.pack(*map(hash, facts_of(lead)))
        with closing(self._seen.execute("insert or ignore into seen values (?, ?)", (key, marks))) as inserted:
            if inserted.rowcount == 1:
                return None
        with closing(self._seen.execute("select marks from seen where lead = ?", (key,))) as there:
            return _MARKS.unpack(there.fetchone()[0])


def _marked(lead: LeadIn) -> Facts:
    """Hashes of what the lead says, which hold in this process; no time stays no time."""
    created_at, *rest = facts_of(lead)
    return (None if created_at is None else hash(created_at), *map(hash, rest))
