"""Repeats among what is stored: found while new leads are stored, and put right where a new lead shows another answer.

Whoever calls holds the keys of the leads' customers: so two intakes of one enquiry take turns.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from router.domain.lead_in import LeadIn
from router.rules.customers import Key, customer_keys
from router.rules.match_rules import MatchRules
from router.rules.repeats import (
    OFF,
    WINDOW,
    Arrival,
    Member,
    Near,
    decided_until,
    find_repeats,
    is_compared,
    settle,
    ties_of,
)
from router.store.customers import known_keys
from router.store.statements import Connection, Row, load

_SQL = load("repeats")


@dataclass(slots=True)
class Moves:
    """What changes for leads that are stored, all by lead id: those that wait are merged into another one (`joins`),
    those that are merged into one are merged into another one (`repoints`), or wait by themselves (`releases`).
    """

    joins: dict[int, int] = field(default_factory=dict)
    repoints: dict[int, int] = field(default_factory=dict)
    releases: set[int] = field(default_factory=set)

    def add(self, more: "Moves") -> None:
        self.joins |= more.joins
        self.repoints |= more.repoints
        self.releases |= more.releases


class Repeats(NamedTuple):
    """The new leads that repeat another one, with that one; and what that changes for stored ones. `freed` = so many
    stored ones wait by themselves, since what tied them is shared by many.
    """

    merged: dict[int, int]
    moves: Moves
    freed: int = 0

    @property
    def more(self) -> int:
        """How many leads more than before are merged into others."""
        return len(self.merged) + len(self.moves.joins) - len(self.moves.releases) - self.freed


async def repeats_among(
    conn: Connection,
    tenant_id: int,
    arrivals: Sequence[Arrival],
    keys: Sequence[Sequence[Key]],
    shared: Collection[str],
    old_customers: frozenset[int],
) -> Repeats:
    """Which of the new leads, not stored yet, repeat another one; of `old_customers` leads may be stored. `keys` are
    side by side with the leads, `shared` those of them that many people share.

    Stored leads that wait and would be merged are locked until the transaction ends.
    """
    arrivals = [
        a for a, own in zip(arrivals, keys, strict=True) if a.lead.enquiry is None or ties_of(a.lead, own) - set(shared)
    ]
    asked = [a for a in arrivals if a.customer_id in old_customers and is_compared(a.lead)]
    found = find_repeats(arrivals, await near(conn, tenant_id, asked) if asked else {})
    repeats = Repeats(found.merged, Moves())
    for group in found.unsettled:
        one = await settled(conn, tenant_id, group[0].customer_id, group[0].lead, members_of(group))
        repeats.merged.update(one.merged)
        repeats.moves.add(one.moves)
    return repeats


def members_of(group: Iterable[Arrival]) -> list[Member]:
    """New leads as members of their enquiry."""
    return [Member(one.lead_id, one.created_at, one.lead.external_id) for one in group]


async def near(conn: Connection, tenant_id: int, asked: Sequence[Arrival]) -> dict[int, Near]:
    """What is stored around new leads, of those around which there is anything."""
    rows = await _SQL.near.fetch(
        conn,
        tenant_id=tenant_id,
        lead_ids=[a.lead_id for a in asked],
        customer_ids=[a.customer_id for a in asked],
        created_ats=[a.created_at for a in asked],
        external_ids=[a.lead.external_id for a in asked],
        sources=[a.lead.source for a in asked],
        enquiries=[a.lead.enquiry for a in asked],
        products=[a.lead.product for a in asked],
        names=[a.lead.name for a in asked],
        phones=[a.lead.phone for a in asked],
        emails=[a.lead.email for a in asked],
        companies=[a.lead.company for a in asked],
        declareds=[a.lead.declared_customer for a in asked],
    )
    return {row["lead_id"]: Near(row["root"], row["root_at"], row["later"]) for row in rows}


async def settled(
    conn: Connection,
    tenant_id: int,
    customer_id: int | None,
    like: LeadIn,
    new: Sequence[Member],
    *,
    around: Sequence[datetime] = (),
    only_look: bool = False,
) -> Repeats:
    """Decides all of an enquiry, that of the lead `like`, around its new leads and these times.

    What somebody else holds is taken for worked on. `only_look` = nothing is locked.
    """
    await _SQL.plan_anew.execute(conn)
    times = [*around, *(one.created_at for one in new)]
    since, until = min(times) - WINDOW, max(times) + WINDOW
    while True:
        stored, waiting = await _stored(conn, tenant_id, customer_id, like, since, until)
        merged = settle([*new, *stored])
        reach = decided_until(stored, [*new, *stored], merged)
        if reach is None or reach <= until:
            break
        until = reach
    if not only_look:
        stored, merged = await _held(conn, tenant_id, new, stored, waiting)
    fresh = {one.lead_id for one in new}
    return Repeats({lead: root for lead, root in merged.items() if lead in fresh}, _moves(stored, merged))


async def _stored(
    conn: Connection, tenant_id: int, customer_id: int | None, like: LeadIn, since: datetime, until: datetime
) -> tuple[list[Member], set[int]]:
    """The stored leads of the enquiry, and which of them wait."""
    rows = await _SQL.members.fetch(
        conn,
        tenant_id=tenant_id,
        customer_id=customer_id,
        source=like.source,
        enquiry=like.enquiry,
        product=like.product,
        name=like.name,
        phone=like.phone,
        email=like.email,
        company=like.company,
        declared=like.declared_customer,
        since=since,
        until=until,
    )
    roots = {row["root"] for row in rows if row["same"] and row["lead_id"] == row["root"]}
    # Where other leads are merged into one, by a person who moved customers or by a mapping before, it stays.
    with_others = {row["root"] for row in rows if not row["same"]}
    stored = [_member(row, with_others) for row in rows if row["same"] and row["root"] in roots]
    return stored, {row["lead_id"] for row in rows if row["waiting"]}


def _member(row: Any, with_others: set[int]) -> Member:
    lead_id, root = row["lead_id"], row["root"]
    is_root = lead_id == root
    fixed = is_root and (not row["waiting"] or root in with_others)
    return Member(lead_id, row["created_at"], row["external_id"], None if is_root else root, fixed)


async def _held(
    conn: Connection, tenant_id: int, new: Sequence[Member], stored: list[Member], waiting: set[int]
) -> tuple[list[Member], dict[int, int]]:
    """Locks the waiting leads that would be merged; what others hold stays for itself, which may change the rest."""
    held: set[int] = set()
    while True:
        merged = settle([*new, *stored])
        wanted = [one.lead_id for one in stored if one.lead_id in merged and one.lead_id in waiting - held]
        if not wanted:
            return stored, merged
        rows = await _SQL.hold_waiting.fetch(conn, tenant_id=tenant_id, lead_ids=sorted(wanted))
        held |= {row[0] for row in rows}
        lost = set(wanted) - held
        stored = [one._replace(fixed=True) if one.lead_id in lost else one for one in stored]


def _moves(stored: Sequence[Member], merged: Mapping[int, int]) -> Moves:
    moves = Moves()
    for one in stored:
        root = merged.get(one.lead_id)
        if root == one.into:
            continue
        if root is None:
            moves.releases.add(one.lead_id)
        elif one.into is None:
            moves.joins[one.lead_id] = root
        else:
            moves.repoints[one.lead_id] = root
    return moves


async def apply_moves(conn: Connection, tenant_id: int, moves: Moves, now: datetime) -> None:
    """Does what was found, with its events."""
    if not (moves.repoints or moves.joins or moves.releases):
        return
    await _SQL.plan_anew.execute(conn)
    for statement, moved in ((_SQL.repoint, moves.repoints), (_SQL.join, moves.joins)):
        if moved:
            await statement.value(
                conn, tenant_id=tenant_id, moment=now, lead_ids=list(moved), roots=list(moved.values())
            )
    if moves.releases:
        await release(conn, tenant_id, sorted(moves.releases), now)


async def release(conn: Connection, tenant_id: int, lead_ids: Sequence[int], now: datetime) -> int:
    """Merged leads wait by themselves; returns how many of these were merged."""
    return int(await _SQL.release.value(conn, tenant_id=tenant_id, moment=now, lead_ids=lead_ids) or 0)


async def merged_into(conn: Connection, tenant_id: int, lead_id: int) -> int | None:
    """The lead that a lead is merged into."""
    root: int | None = await _SQL.merged_into.value(conn, tenant_id=tenant_id, lead_id=lead_id)
    return root


async def repeats_of(conn: Connection, tenant_id: int, lead_id: int, limit: int) -> list[int]:
    """The first leads that are merged into a lead."""
    return [row[0] for row in await _SQL.repeats_of.fetch(conn, tenant_id=tenant_id, lead_id=lead_id, limit=limit)]


async def keep_apart(conn: Connection, tenant_id: int, lead_id: int) -> None:
    """The lead is merged with no other lead from now on, nor any other with it."""
    await _SQL.keep_apart.execute(conn, tenant_id=tenant_id, lead_id=lead_id)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A lead that is merged into one that is, or will be, no lead of its enquiry any more. `lead` has what its repeats
    are told by.
    """

    lead_id: int
    customer_id: int | None
    created_at: datetime
    root_at: datetime
    lead: LeadIn


async def release_orphans(conn: Connection, tenant_id: int, orphans: Sequence[Orphan], now: datetime) -> None:
    """They wait by themselves, or repeat one that is left."""
    if not orphans:
        return
    await release(conn, tenant_id, [one.lead_id for one in orphans], now)
    enquiries: dict[object, list[Orphan]] = defaultdict(list)
    for one in orphans:
        if one.customer_id is not None and one.lead.enquiry != OFF:
            enquiries[one.customer_id, one.lead._replace(external_id="", created_at=None)].append(one)
    for group in enquiries.values():
        around = [at for one in group for at in (one.created_at, one.root_at)]
        found = await settled(conn, tenant_id, group[0].customer_id, group[0].lead, [], around=around)
        await apply_moves(conn, tenant_id, found.moves, now)


async def release_shared(
    conn: Connection, tenant_id: int, customers: Collection[int], rules: MatchRules, now: datetime
) -> int:
    """Of customers of whom a key was found to be shared by many: leads that were merged while that was not known wait
    by themselves, where nothing else ties them. Else the batches would decide who is merged. Returns how many.
    """
    await _SQL.plan_anew.execute(conn)
    rows = await _SQL.merged_of.fetch(conn, tenant_id=tenant_id, customers=sorted(customers))
    ties = {row["lead_id"]: ties_of(lead, customer_keys(lead, rules)) for row in rows for lead in (_as_merged(row),)}
    known = await known_keys(conn, tenant_id, sorted(frozenset().union(*ties.values())))
    shared = {name for name, key in known.items() if key.shared_as is not None}
    apart = [lead_id for lead_id, own in ties.items() if own and own <= shared]
    return await release(conn, tenant_id, apart, now) if apart else 0


def _as_merged(row: Row) -> LeadIn:
    facts = {name: row[name] for name in ("name", "phone", "email", "company", "declared_customer", "enquiry")}
    return LeadIn(row["source"], row["external_id"], **facts)
