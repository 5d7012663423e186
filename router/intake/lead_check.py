"""What importing a file would do; nothing is written."""

import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from hashlib import blake2b
from types import TracebackType

from router.domain.lead_in import LeadIn
from router.intake.id_book import IdBook
from router.intake.key_book import KeyBook
from router.intake.lead_import import Taken
from router.intake.repeat_book import RepeatBook, WouldRepeat
from router.rules.customers import customer_keys
from router.rules.differences import COMPARED, Again, Difference, Facts, alike, differing, facts_of
from router.rules.match_rules import MatchRules
from router.store.ids import SameIds
from router.store.leads import archived_leads, differences, stored_leads
from router.store.statements import Connection

_KEY_BYTES = 16
_MARKS = struct.Struct(f"{len(COMPARED)}q")


class Checking:
    """The intake that only looks. Use `with`.

    Which leads came earlier in the same file, hashes of their facts, and the keys of their customers are kept in a
    temporary file of this process, since they may be more than memory holds. Which leads repeat others is known once
    all are read: `merged` is None until then, and `repeats` says it.
    """

    def __init__(
        self, conn: Connection, tenant_id: int, rules: MatchRules, *, ids_unique_over_sources: bool = False
    ) -> None:
        self._conn = conn
        self._tenant_id = tenant_id
        self._seen = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._seen.execute("pragma journal_mode = off")
        # One transaction that never ends: each of its own would cost more than it writes.
        self._seen.execute("begin")
        self._seen.execute("create table seen (lead blob primary key, marks blob) without rowid")
        self._rules = rules
        self._keys = KeyBook(conn, tenant_id, self._seen, rules.shared_above)
        self._repeats = RepeatBook(conn, tenant_id, self._seen)
        self._ids = IdBook(conn, tenant_id, self._seen)
        self._unique = ids_unique_over_sources

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
            elif fields := differing(_marked(lead), marks):
                found.append(Difference(place, fields))
        new, of_others = await self._by_id(leads, new, lines)
        parked = sum(leads[place].invalid is not None for place in new)
        found += [Difference(place, ("source",)) for place in of_others]
        found += await differences(self._conn, self._tenant_id, unlike)
        keys = [customer_keys(leads[place], self._rules) for place in new]
        settled, shared = await self._keys.resolve(keys)
        at = [lines[place] for place in new] if lines else [0] * len(new)
        await self._repeats.add([leads[place] for place in new], keys, settled.customers, at)
        overlaps = [one._replace(place=new[one.place]) for one in settled.overlaps]
        return Taken(len(new), len(leads) - len(new), None, parked, sorted(found), overlaps, shared)

    async def _by_id(
        self, leads: Sequence[LeadIn], new: list[int], lines: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """The places of leads that are new, and of those that are not, since their id is there with another source."""
        at = [lines[place] for place in new] if lines else [0] * len(new)
        same = await self._ids.look([leads[place] for place in new], at)
        if not same or not self._unique:
            return new, []
        return [p for n, p in enumerate(new) if n not in same], [p for n, p in enumerate(new) if n in same]

    @property
    def same_ids(self) -> SameIds:
        """New leads with the id of a lead from another source; none where ids are unique."""
        return SameIds() if self._unique else self._ids.same

    async def repeats(self) -> WouldRepeat:
        """Which of the leads would be merged into others; to be asked when all are read."""
        return await self._repeats.find()

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
