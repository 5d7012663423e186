"""Taking over which rep has which customer: customers are found, or made, by their contacts, as the intake does.

In parts of one transaction each. Everybody takes keys of customers first and then the lane, which is held while owners
change: else a batch that is being decided could move them back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count as numbers_from
from typing import NamedTuple

from router.domain.phrases import count, listed
from router.intake.bulk_file import PartDone, Refusal
from router.intake.owner_rows import SaidOwner
from router.manual.part_retries import BRIEFLY, until_stored
from router.rules.customers import Key, Known, Resolution, customer_keys, resolve
from router.rules.match_rules import parse_stored_match_rules
from router.store import customer_owners as store
from router.store.assignments import LOCK_TIMEOUT_MS
from router.store.changes import Change, record_part
from router.store.customer_merges import decide_again
from router.store.customers import Customers, customers_of, known_keys, new_customers, store_keys
from router.store.errors import UniqueViolation
from router.store.lane import LaneLimits, hold_waiting
from router.store.leads import Begun, OvertakenError, begin_accepting
from router.store.roster import rep_numbers
from router.store.statements import Connection
from router.store.transactions import limit_transaction, retried

_NOT_STORED = 1 << 62
"""Numbers from here on are those of customers that a dry run would make."""


@dataclass(slots=True)
class ImportedOwners:
    """What was done, or would be: customers that are new, that had no owner, whose owner is another one now; rows that
    were so `already`, and customers that keep the owner they have.
    """

    new: int = 0
    given: int = 0
    moved: int = 0
    already: int = 0
    kept: int = 0
    decided_again: int = 0

    @property
    def total(self) -> int:
        """How many customers got an owner."""
        return self.new + self.given + self.moved


class _Whose(NamedTuple):
    """Rows that name one customer each: place, customer (new ones are numbered), rep number."""

    rows: list[tuple[int, int, int]]
    refused: list[Refusal]
    new: frozenset[int]


class _Done(NamedTuple):
    whose: _Whose
    refused: list[Refusal]
    owners: dict[int, tuple[int, int]]
    """By customer: rep number and line."""
    counted: ImportedOwners
    change: int | None


@dataclass
class ImportOwners:
    """The work of a run over a file. `only_new` = customers who have an owner keep it; `dry_run` = changes nothing."""

    conn: Connection
    tenant_id: int
    subject: str
    actor: str
    why: str = ""
    only_new: bool = False
    dry_run: bool = False
    limits: LaneLimits = BRIEFLY
    done: ImportedOwners = field(default_factory=ImportedOwners)
    _change: int | None = None
    _seen: dict[int, tuple[int, int]] = field(default_factory=dict)
    _overlay: dict[str, Known] = field(default_factory=dict)
    _numbers: "numbers_from[int]" = field(default_factory=lambda: numbers_from(_NOT_STORED))

    async def take(self, rows: Sequence[SaidOwner], lines: Sequence[int]) -> PartDone:
        """One part: all of it or, when it raises, nothing."""
        done = await until_stored(lambda: _part(self.conn, self, rows, lines))
        self._change = done.change
        self._seen |= done.owners
        for name in ("new", "given", "moved", "already", "kept", "decided_again"):
            setattr(self.done, name, getattr(self.done, name) + getattr(done.counted, name))
        return PartDone(done.refused)

    async def part(self, rows: Sequence[SaidOwner], lines: Sequence[int]) -> _Done:
        """In a transaction of the caller's."""
        conn, tenant_id = self.conn, self.tenant_id
        await limit_transaction(conn, LOCK_TIMEOUT_MS)
        begun = await begin_accepting(conn, tenant_id, len(rows))
        reps = await rep_numbers(conn, tenant_id, [row.rep_id for row in rows])
        whose = await self._whose(rows, begun, reps)
        change = self._change
        if self.dry_run:
            owners = await store.owners_of(conn, tenant_id, {customer for _, customer, _ in whose.rows})
            counted, wanted, clashing = self._judged(whose, lines, owners)
            return _Done(whose, [*whose.refused, *clashing], wanted, counted, change)
        await hold_waiting(conn, tenant_id, None, self.limits)
        owners = await store.owners_of(conn, tenant_id, {customer for _, customer, _ in whose.rows})
        counted, wanted, clashing = self._judged(whose, lines, owners)
        moves = {
            customer: rep_no
            for customer, (rep_no, _) in wanted.items()
            if owners.get(customer) != rep_no and not (self.only_new and customer in owners)
        }
        if moves:
            await store.set_owners(conn, tenant_id, moves)
            counted.decided_again = await decide_again(conn, tenant_id, sorted(moves))
            after = f"{count(self.done.total + counted.total, 'customer')} given to reps"
            what = Change(self.actor, "customers import-owners", self.subject, "", after, self.why)
            change = await record_part(conn, tenant_id, what, change)
        return _Done(whose, [*whose.refused, *clashing], wanted, counted, change)

    def _judged(
        self, whose: _Whose, lines: Sequence[int], owners: Mapping[int, int]
    ) -> tuple[ImportedOwners, dict[int, tuple[int, int]], list[Refusal]]:
        """What the rows change, each customer once; of two rows that differ the first one counts."""
        counted = ImportedOwners()
        wanted: dict[int, tuple[int, int]] = {}
        refused: list[Refusal] = []
        for place, customer, rep_no in whose.rows:
            before = wanted.get(customer) or self._seen.get(customer)
            if before is not None:
                if before[0] == rep_no:
                    counted.already += 1
                else:
                    refused.append(Refusal(place, "rep_id", f"line {before[1]} gives this customer to another rep"))
                continue
            wanted[customer] = (rep_no, lines[place])
            owner = owners.get(customer)
            if owner == rep_no:
                counted.already += 1
            elif owner is None and customer in whose.new:
                counted.new += 1
            elif owner is None:
                counted.given += 1
            elif self.only_new:
                counted.kept += 1
            else:
                counted.moved += 1
        return counted, wanted, refused

    async def _whose(self, rows: Sequence[SaidOwner], begun: Begun, reps: Mapping[str, int]) -> _Whose:
        """The customer of each row; stores the keys that are new."""
        rules = parse_stored_match_rules(begun.match_rules or "")
        refused: list[Refusal] = []
        places: list[int] = []
        keys: list[tuple[Key, ...]] = []
        for place, row in enumerate(rows):
            own = customer_keys(row.who, rules)
            if row.rep_id not in reps:
                refused.append(Refusal(place, "rep_id", f"there is no rep {row.rep_id!r} in the roster"))
            elif not own:
                refused.append(Refusal(place, "", _no_key(row)))
            else:
                places.append(place)
                keys.append(own)
        found = await self._found(keys, rules.shared_above)
        settled, left = _without_overlaps(places, keys, found, rules.shared_above, refused)
        if self.dry_run:
            numbers = [next(self._numbers) for _ in range(settled.new)]
        else:
            numbers = await new_customers(self.conn, settled.new)
        numbered = settled.numbered(numbers)
        await self._keep(found, numbered, begun)
        named: list[tuple[int, int, int]] = []
        for place, customer in zip(left, numbered.customers, strict=True):
            if customer is None:
                why = "its contacts are shared by many, and say nothing about who the customer is"
                refused.append(Refusal(place, "", why))
            else:
                named.append((place, customer, reps[rows[place].rep_id]))
        return _Whose(named, refused, frozenset(numbers))

    async def _found(self, keys: Sequence[tuple[Key, ...]], shared_above: int) -> Customers:
        if not self.dry_run:
            return await customers_of(self.conn, self.tenant_id, keys, shared_above)
        names = sorted({key.name for own in keys for key in own})
        known = await known_keys(self.conn, self.tenant_id, names)
        known |= {name: self._overlay[name] for name in names if name in self._overlay}
        return Customers(resolve(keys, known, shared_above), names, known)

    async def _keep(self, found: Customers, settled: Resolution, begun: Begun) -> None:
        names = [name for name in found.names if name in settled.keys]
        if self.dry_run:
            self._overlay |= {name: settled.known(name) for name in names}
            return
        known = {name: key for name, key in found.known.items() if name in settled.keys}
        kept = Customers(settled, names, known)
        try:
            await store_keys(self.conn, self.tenant_id, kept, settled, begun.moment)
        except UniqueViolation as error:
            raise OvertakenError from error


@retried
async def _part(conn: Connection, work: ImportOwners, rows: Sequence[SaidOwner], lines: Sequence[int]) -> _Done:
    async with conn.transaction():
        return await work.part(rows, lines)


def _without_overlaps(
    places: Sequence[int],
    keys: Sequence[tuple[Key, ...]],
    found: Customers,
    shared_above: int,
    refused: list[Refusal],
) -> tuple[Resolution, list[int]]:
    """The customers of the rows that name one; the others are refused, and what they say ties nobody."""
    settled, left, kept = found.found, list(places), list(keys)
    while settled.overlaps:
        wrong = {one.place: one for one in settled.overlaps}
        for at, one in wrong.items():
            why = f"is of another customer than the rest of the row; lead-router customers show {one.value} says which"
            refused.append(Refusal(left[at], one.kind if one.kind in ("phone", "email") else "", why))
        left = [place for at, place in enumerate(left) if at not in wrong]
        kept = [own for at, own in enumerate(kept) if at not in wrong]
        settled = resolve(kept, found.known, shared_above)
    return settled, left


def _no_key(row: SaidOwner) -> str:
    if row.who.malformed:
        return f"does not say which customer: {listed(sorted(row.who.malformed))} cannot be read"
    return "does not say which customer: customer_id, phone or email"
