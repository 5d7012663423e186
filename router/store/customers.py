"""The customers of arriving leads: their keys are read, added and held while leads are stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from router.rules.customers import Key, Known, Resolution, resolve
from router.store.statements import Connection, Statement, load

_SQL = load("customers")


@dataclass(frozen=True, slots=True)
class Customers:
    """`of_lead`: one per lead, None = unknown. `old`: those that were known before this transaction."""

    of_lead: Sequence[int | None]
    old: frozenset[int]


async def customers_of(
    conn: Connection,
    tenant_id: int,
    leads: Sequence[tuple[Key, ...]],
    shared_above: int,
    spare: Sequence[int] = (),
) -> Customers:
    """The customer of each lead, given the leads' keys; adds what is new, with the `spare` numbers first.

    The keys that are used are locked until the transaction ends. Everybody takes them in one order, so two
    intakes wait for each other but cannot deadlock. Keys that were known to be shared are not locked.
    """
    names = sorted({key.name for keys in leads for key in keys})
    known = await known_keys(conn, tenant_id, names)
    proposed = resolve(leads, known, shared_above)
    wanted, ids = await _numbered(conn, proposed, spare)
    held = [name for name in names if name not in wanted.shared or known.get(name) != wanted.known(name)]
    added = await _write(conn, _SQL.hold_keys, tenant_id, wanted, held)
    # Where all that were new are ours, only those that were there can have changed before they were held.
    ours = added == len(names) - len(known)
    stored = await known_keys(conn, tenant_id, [name for name in names if name in known] if ours else names)
    foreign = {name: key for name, key in stored.items() if name in known or key != wanted.known(name)}
    settled = wanted
    if foreign != known:
        # A concurrent intake was first with some of our keys: what it knew decides, and the keys we added follow.
        settled, _ = await _numbered(conn, resolve(leads, foreign, shared_above), ids)
    # What nobody had stored before is as we wrote it, unless that was overtaken.
    suspects = [name for name in held if name in stored] if settled is wanted else held
    changed = [name for name in suspects if stored.get(name, wanted.known(name)) != settled.known(name)]
    await _write(conn, _SQL.correct_keys, tenant_id, settled, changed)
    return Customers(settled.customers, frozenset(k.customer for k in foreign.values() if k.customer is not None))


async def _numbered(conn: Connection, found: Resolution, ids: Sequence[int]) -> tuple[Resolution, Sequence[int]]:
    """With customer numbers: those of `ids`, and new ones when they are too few."""
    missing = found.new - len(ids)
    if missing > 0:
        ids = [*ids, *(row[0] for row in await _SQL.new_customer_ids.fetch(conn, n=missing))]
    return found.numbered(ids), ids


async def known_keys(conn: Connection, tenant_id: int, names: Sequence[str]) -> dict[str, Known]:
    """What is stored of these keys."""
    if not names:
        return {}
    rows = await _SQL.customers_of_keys.fetch(conn, tenant_id=tenant_id, keys=names)
    return {names[place - 1]: Known(customer, frozenset(people or ()), text) for place, customer, people, text in rows}


async def _write(
    conn: Connection, statement: Statement, tenant_id: int, found: Resolution, names: Sequence[str]
) -> int:
    """Has the statement write what is known of these keys now; returns how many rows it touched."""
    if not names:
        return 0
    return await statement.execute(
        conn,
        tenant_id=tenant_id,
        keys=names,
        customer_ids=[found.keys[name] for name in names],
        # Ragged arrays cannot go through unnest; their texts can.
        people=[_array(found.people[name]) for name in names],
        shared_as=[found.shared.get(name) for name in names],
    )


def _array(marks: frozenset[int]) -> str | None:
    return "{" + ",".join(map(str, marks)) + "}" if marks else None
