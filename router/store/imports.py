"""Imports of files as they are stored: who, when, which file, what each brought; and removing leads on purpose."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain.lead_in import LeadIn
from router.store.repeats import Orphan
from router.store.statements import Connection, Row, load

_SQL = load("imports")

WAITING, PARKED, MERGED = "waiting", "parked", "merged"
FREE = (WAITING, MERGED, PARKED)
"""Where leads are on which nobody works."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import. `ended_at` None = it is under way, or was cut off: then `rows` and `rejected` are not known yet.

    `merged` and `parked` are parts of `new`, `differing` of `repeated`; `removed` = leads of it that were taken back.
    """

    import_no: int
    began_at: datetime
    ended_at: datetime | None
    actor: str
    file: str
    mapping: str
    rows: int
    rejected: int
    removed: int
    undone_at: datetime | None
    undone_by: str | None
    new: int
    repeated: int
    merged: int
    parked: int
    differing: int


class ImportUnknown(LookupError):
    """There is no such import; the message says what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


async def begin_import(conn: Connection, tenant_id: int, actor: str, file: str, mapping: str) -> int:
    """Returns its number."""
    row = {"actor": _text(actor), "file": _text(file), "mapping": _text(mapping)}
    return int(await _SQL.begin.value(conn, tenant_id=tenant_id, **row))


async def end_import(conn: Connection, tenant_id: int, import_no: int, rows: int, rejected: int) -> None:
    """All of the file was read."""
    await _SQL.end.execute(conn, tenant_id=tenant_id, import_no=import_no, rows=rows, rejected=rejected)


def _text(words: str) -> str:
    return words.replace("\x00", "").encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class ImportPart:
    """What a batch of an import brought; `new_ids` are the numbers of its new leads."""

    new_ids: Iterable[int]
    new: int
    repeated: int
    merged: int
    parked: int
    differing: int


async def note_part(conn: Connection, tenant_id: int, import_no: int, part: ImportPart) -> None:
    """To be called in the transaction that stores the leads."""
    ranges = list(ranges_of(part.new_ids))
    await _SQL.add_part.execute(
        conn,
        tenant_id=tenant_id,
        import_no=import_no,
        firsts=[first for first, _ in ranges],
        lasts=[last for _, last in ranges],
        new=part.new,
        repeated=part.repeated,
        merged=part.merged,
        parked=part.parked,
        differing=part.differing,
    )


def ranges_of(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Numbers as ranges, first and last, ascending."""
    first = last = None
    for number in sorted(numbers):
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last


async def imports_of(
    conn: Connection, tenant_id: int, limit: int, import_no: int | None = None, *, before: int | None = None
) -> list[Import]:
    """The last ones of a tenant, those below the number `before` (None = all), the youngest first; or one of them."""
    rows = await _SQL.imports.fetch(conn, tenant_id=tenant_id, import_no=import_no, before=before, limit=limit)
    return [Import(**dict(row.items())) for row in rows]


async def import_numbered(conn: Connection, import_no: int) -> tuple[int, Import]:
    """An import, with its tenant. Raises ImportUnknown."""
    tenant_id = await _SQL.tenant_of.value(conn, import_no=import_no)
    if tenant_id is None:
        raise ImportUnknown(f"there is no import {import_no}; lead-router leads imports --tenant T lists them")
    [found] = await imports_of(conn, tenant_id, 1, import_no)
    return int(tenant_id), found


async def ranges(conn: Connection, tenant_id: int, import_no: int) -> list[tuple[int, int]]:
    """The numbers of the leads that an import brought, as ranges, the last ones first."""
    return [(row[0], row[1]) for row in await _SQL.ranges.fetch(conn, tenant_id=tenant_id, import_no=import_no)]


async def next_leads(conn: Connection, tenant_id: int, first: int, below: int, limit: int) -> list[int]:
    """At most `limit` leads with numbers from `first` to below `below`, downwards."""
    async with conn.transaction():
        await _SQL.steady_plans.execute(conn)
        rows = await _SQL.next.fetch(conn, tenant_id=tenant_id, first=first, below=below, limit=limit)
    return [row[0] for row in rows]


@dataclass(frozen=True, slots=True)
class Placed:
    """A lead and where it is; `rep_id` has it; `worked_on` = a rep had it before."""

    lead_id: int
    customer_id: int | None
    source: str
    external_id: str
    state: str
    worked_on: bool
    rep_id: str | None

    @property
    def is_free(self) -> bool:
        """Whether nobody works, or has worked, on it."""
        return self.state in FREE and not self.worked_on


async def where_are(conn: Connection, tenant_id: int, leads: Sequence[int]) -> list[Placed]:
    """Where leads are; those that are gone are left out."""
    rows = await _SQL.where_are.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))
    return [Placed(**dict(row.items())) for row in rows]


async def hold_free(conn: Connection, tenant_id: int, leads: Sequence[int]) -> list[int]:
    """Those of the leads that are free and that nobody else holds, locked until the transaction ends."""
    return sorted([row[0] for row in await _SQL.hold.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))])


async def orphans_of(conn: Connection, tenant_id: int, leads: Sequence[int]) -> list[Orphan]:
    """Leads that are merged into one of these, and are none of them."""
    rows = await _SQL.orphans.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))
    return [
        Orphan(row["lead_id"], row["customer_id"], row["created_at"], row["root_at"], _said(row, row["enquiry"]))
        for row in rows
    ]


_FACTS = ("created_at", "name", "phone", "email", "company", "declared_customer")


def _said(row: Row, enquiry: str | None = None) -> LeadIn:
    facts = {name: row[name] for name in _FACTS}
    product = row.get("product")
    return LeadIn(row["source"], row["external_id"], **facts, product=product, enquiry=enquiry)


async def who_they_say(conn: Connection, tenant_id: int, leads: Sequence[int]) -> list[tuple[int | None, LeadIn]]:
    """The customer of each lead, and what it says of who it is."""
    rows = await _SQL.said.fetch(conn, tenant_id=tenant_id, lead_ids=list(leads))
    return [(row["customer_id"], _said(row)) for row in rows]


async def remove(
    conn: Connection, tenant_id: int, leads: Sequence[int], import_no: int, change: int, now: datetime
) -> int:
    """Removes leads that the caller holds; returns how many."""
    of = {"lead_ids": list(leads), "import_no": import_no, "change_id": change, "moment": now}
    return int(await _SQL.remove.value(conn, tenant_id=tenant_id, **of))


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key of a customer as it is stored: whose it is, and the marks of who came with it."""

    key: str
    customer_id: int | None
    people: frozenset[int]
    is_shared: bool


async def stored_keys(conn: Connection, tenant_id: int, keys: Sequence[str]) -> list[StoredKey]:
    """Those of the keys that are stored."""
    rows = await _SQL.keys.fetch(conn, tenant_id=tenant_id, keys=sorted(keys))
    return [
        StoredKey(row["key"].hex, row["customer_id"], frozenset(row["people"] or ()), row["shared_as"] is not None)
        for row in rows
    ]


async def forget_keys(conn: Connection, tenant_id: int, keys: Sequence[str]) -> None:
    """No lead is left that brought them."""
    if keys:
        await _SQL.forget_keys.execute(conn, tenant_id=tenant_id, keys=sorted(keys))


async def take_people(conn: Connection, tenant_id: int, marks: dict[str, set[int]]) -> None:
    """Of who came with keys, those are forgotten whom nothing shows any more."""
    if marks:
        texts = [f"{{{','.join(map(str, sorted(one)))}}}" for one in marks.values()]
        await _SQL.take_people.execute(conn, tenant_id=tenant_id, keys=list(marks), gone=texts)


async def note_undone(conn: Connection, tenant_id: int, import_no: int, actor: str) -> None:
    """The import was taken back, as far as that could be."""
    await _SQL.undone.execute(conn, tenant_id=tenant_id, import_no=import_no, actor=actor)
