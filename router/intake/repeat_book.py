"""Which leads of a file would be merged into others when it is imported; nothing is written but a temporary file.

The whole file is looked at as one, as it comes out whatever the batches are.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import groupby
from typing import NamedTuple

import msgspec

from router.domain.lead_in import LeadIn
from router.intake.key_book import FIRST_NEW
from router.rules.customers import Key
from router.rules.repeats import WINDOW, Arrival, Member, enquiry, is_compared, ties_of
from router.store.leads import database_clock
from router.store.repeats import near, settled
from router.store.statements import Connection

EXAMPLES = 100
_START = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_WINDOW = WINDOW // _TICK
_KEY_BYTES = 16
_FACTS = ("source", "external_id", "name", "phone", "email", "company", "declared_customer", "product", "enquiry")


class WouldMerge(NamedTuple):
    """A lead of the file that would be merged, into another one of it (its line) or one that is stored (its number)."""

    line: int
    source: str
    external_id: str
    into_line: int | None
    into_external_id: str | None
    into_lead: int | None


@dataclass(slots=True)
class WouldRepeat:
    """How many leads more than before would be merged into others; `examples` are the first of the file."""

    count: int = 0
    examples: list[WouldMerge] = field(default_factory=list)


class _Row(NamedTuple):
    """As stored: times in microseconds since 1970; `root` = the stored lead that stands for the one before it."""

    number: int
    created: int
    external_id: str
    source: str
    line: int
    root: int | None
    root_at: int | None


class RepeatBook:
    """Leads so far, in a database of SQLite that the caller closes."""

    def __init__(self, conn: Connection, tenant_id: int, book: sqlite3.Connection) -> None:
        self._conn = conn
        self._tenant_id = tenant_id
        self._book = book
        self._now: datetime | None = None
        self._number = 0
        book.execute(
            "create table repeat (number integer primary key, customer int, enquiry blob, created int,"
            " external_id text, source text, line int, root int, root_at int, later int, facts blob, ties text)"
        )

    async def add(
        self,
        leads: Sequence[LeadIn],
        keys: Sequence[Sequence[Key]],
        customers: Sequence[int | None],
        lines: Sequence[int],
    ) -> None:
        """Notes new leads, side by side with their keys, customers and lines."""
        self._now = self._now or await database_clock(self._conn)
        arrivals = []
        for lead, own, customer, line in zip(leads, keys, customers, lines, strict=True):
            ties = ties_of(lead, own)
            if customer is not None and ties and is_compared(lead):
                self._number += 1
                arrivals.append((Arrival(self._number, lead.created_at or self._now, customer, lead), ties, line))
        asked = [one for one, *_ in arrivals if one.customer_id is not None and one.customer_id < FIRST_NEW]
        stored = await near(self._conn, self._tenant_id, asked) if asked else {}
        rows = []
        for one, ties, line in arrivals:
            key = blake2b(repr(enquiry(one)).encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()
            root, root_at, later = stored.get(one.lead_id, (None, None, False))
            facts = msgspec.json.encode({name: getattr(one.lead, name) for name in _FACTS}) if later else None
            named = (
                one.lead.external_id,
                one.lead.source,
                line,
                root,
                _ticks(root_at),
                int(later),
                facts,
                " ".join(ties),
            )
            rows.append((one.lead_id, one.customer_id, key, _ticks(one.created_at), *named))
        self._book.executemany("insert into repeat values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows).close()

    async def find(self) -> WouldRepeat:
        """What would be merged, once all leads are noted."""
        found = WouldRepeat()
        self._forget_shared()
        open_ends = self._groups_with_later()
        for group in self._groups(open_ends):
            _walk(group, found)
        for customer, key in sorted(open_ends):
            await self._settle(customer, key, found)
        found.examples.sort()
        del found.examples[EXAMPLES:]
        return found

    def _forget_shared(self) -> None:
        """Leads that only keys tie which many people share, as it turned out, repeat nothing."""
        with closing(self._book.execute("select name from key where shared is not null")) as rows:
            shared = {row[0] for row in rows}
        if not shared:
            return
        with closing(self._book.execute("select number, ties from repeat")) as rows:
            gone = [(number,) for number, ties in rows if shared.issuperset(ties.split(" "))]
        self._book.executemany("delete from repeat where number = ?", gone).close()

    def _groups_with_later(self) -> set[tuple[int, bytes]]:
        with closing(self._book.execute("select distinct customer, enquiry from repeat where later")) as rows:
            return set(rows)

    def _groups(self, without: set[tuple[int, bytes]]) -> Iterator[Iterator[_Row]]:
        """By enquiry, each in the order of creation."""
        columns = "customer, enquiry, number, created, external_id, source, line, root, root_at"
        ordered = f"select {columns} from repeat order by customer, enquiry, created, external_id"
        with closing(self._book.execute(ordered)) as rows:
            for key, group in groupby(rows, key=lambda row: (row[0], row[1])):
                if key not in without:
                    yield (_Row(*row[2:]) for row in group)

    async def _settle(self, customer: int, key: bytes, found: WouldRepeat) -> None:
        """An enquiry of which leads are stored that were created after some of the file."""
        columns = "number, created, external_id, source, line, root, root_at"
        of = "from repeat where customer = ? and enquiry = ?"
        with closing(self._book.execute(f"select {columns} {of}", (customer, key))) as rows:
            group = {row[0]: _Row(*row) for row in rows}
        with closing(self._book.execute(f"select facts {of} and later limit 1", (customer, key))) as rows:
            like = LeadIn(**msgspec.json.decode(rows.fetchone()[0]))
        new = [Member(-one.number, _START + one.created * _TICK, one.external_id) for one in group.values()]
        repeats = await settled(self._conn, self._tenant_id, customer, like, new, only_look=True)
        found.count += repeats.more
        for lead, root in repeats.merged.items():
            _note(found, group[-lead], None if root > 0 else group[-root], root)


def _ticks(at: datetime | None) -> int | None:
    return None if at is None else (at - _START) // _TICK


def _walk(group: Iterator[_Row], found: WouldRepeat) -> None:
    root: _Row | None = None
    root_at, root_lead = None, 0
    for one in group:
        if one.root is not None and one.root_at is not None and (root_at is None or one.root_at > root_at):
            root, root_at, root_lead = None, one.root_at, one.root
        if root_at is not None and one.created - root_at <= _WINDOW:
            found.count += 1
            _note(found, one, root, root_lead)
        else:
            root, root_at = one, one.created


def _note(found: WouldRepeat, one: _Row, root: _Row | None, lead: int) -> None:
    if len(found.examples) >= 2 * EXAMPLES:
        found.examples.sort()
        del found.examples[EXAMPLES:]
    into = (None, None, lead) if root is None else (root.line, root.external_id, None)
    found.examples.append(WouldMerge(one.line, one.source, one.external_id, *into))
