"""The customers of arriving leads: their keys are read, added and held while leads are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from router.intake.customers import Key, Known, Resolution, resolve
from router.store.statements import Connection, load

SQL = load("intake")


@dataclass(frozen=True, slots=True)
class Customers:
    """`of_lead`: one per lead, None = unknown. `old`: those that were known before this transaction."""

    of_lead: Sequence[int | None]
    old: frozenset[int]


async def customers_of(
    conn: Connection, tenant_id: int, leads: Sequence[tuple[Key, ...]], most_people: int
) -> Customers:
    """The customer of each lead, given the leads' keys; adds what is new.

    The keys that tie are held (locked) until the transaction ends. Everybody takes them in one order, so two
    intakes wait for each other but cannot deadlock. Keys that were known to tie nobody are held by nobody.
    """
    names = sorted({key.name for keys in leads for key in keys})
    known = await known_keys(conn, tenant_id, names)
    proposed = resolve(leads, known, most_people)
    wanted, ids = await _numbered(conn, proposed, [])
    held = [name for name in names if not (wanted.keys[name].shared_as and known.get(name) == wanted.keys[name])]
    added = await _hold(conn, tenant_id, {name: wanted.keys[name] for name in held})
    if added == len(names):
        return Customers(wanted.customers, frozenset())
    stored = await known_keys(conn, tenant_id, names)
    foreign = {name: key for name, key in stored.items() if name in known or key != wanted.keys[name]}
    settled = wanted
    if foreign != known:
        # A concurrent intake was first with some of our keys: what it knew decides, and the keys we added follow.
        settled, _ = await _numbered(conn, resolve(leads, foreign, most_people), ids)
    await _correct(conn, tenant_id, {name: settled.keys[name] for name in held if stored[name] != settled.keys[name]})
    return Customers(settled.customers, frozenset(k.customer for k in foreign.values() if k.customer is not None))


async def _numbered(conn: Connection, found: Resolution, ids: list[int]) -> tuple[Resolution, list[int]]:
    """With customer numbers: those of `ids`, and new ones when they are too few."""
    missing = found.new - len(ids)
    if missing > 0:
        ids = [*ids, *(row[0] for row in await SQL.new_customer_ids.fetch(conn, n=missing))]
    return found.numbered(ids), ids


async def known_keys(conn: Connection, tenant_id: int, names: Sequence[str]) -> dict[str, Known]:
    """What is stored of these keys."""
    rows = await SQL.customers_of_keys.fetch(conn, tenant_id=tenant_id, keys=names)
    return {names[place - 1]: Known(customer, frozenset(people or ()), text) for place, customer, people, text in rows}


async def _hold(conn: Connection, tenant_id: int, keys: Mapping[str, Known]) -> int:
    return await SQL.hold_keys.execute(conn, tenant_id=tenant_id, **_columns(keys)) if keys else 0


async def _correct(conn: Connection, tenant_id: int, keys: Mapping[str, Known]) -> None:
    if keys:
        await SQL.correct_keys.execute(conn, tenant_id=tenant_id, **_columns(keys))


def _columns(keys: Mapping[str, Known]) -> dict[str, list[object]]:
    return {
        "keys": list(keys),
        "customer_ids": [key.customer for key in keys.values()],
        # Ragged arrays cannot go through unnest; their texts can.
        "people": [_array(key.people) for key in keys.values()],
        "shared_as": [key.shared_as for key in keys.values()],
    }


def _array(marks: frozenset[int]) -> str | None:
    return "{" + ",".join(map(str, sorted(marks))) + "}" if marks else None
