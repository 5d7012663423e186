"""The customers of arriving leads: their keys are read, added and held while leads are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from router.intake.customers import resolve
from router.store.statements import Connection, load

SQL = load("intake")


@dataclass(frozen=True, slots=True)
class Customers:
    """`of_lead`: one per lead, None = unknown. `old`: those that were known before this transaction."""

    of_lead: Sequence[int | None]
    old: frozenset[int]


async def customers_of(conn: Connection, tenant_id: int, leads: Sequence[tuple[str, ...]]) -> Customers:
    """The customer of each lead, given the leads' keys; adds what is new.

    All these keys are held (locked) until the transaction ends. Everybody takes them in one order, so two
    intakes wait for each other but cannot deadlock.
    """
    names = sorted({key for keys in leads for key in keys})
    known = await _known(conn, tenant_id, names)
    proposed = resolve(leads, known)
    ids = [row[0] for row in await SQL.new_customer_ids.fetch(conn, n=proposed.new)] if proposed.new else []
    wanted = proposed.numbered(ids)
    added = await SQL.hold_keys.execute(
        conn, tenant_id=tenant_id, keys=names, customer_ids=[wanted.keys[name] for name in names]
    )
    if added == len(names):
        return Customers(wanted.customers, frozenset())
    stored = await _known(conn, tenant_id, names)
    foreign = {key: c for key, c in stored.items() if key in known or c != wanted.keys[key]}
    if foreign == known:
        return Customers(wanted.customers, frozenset(known.values()))
    # A concurrent intake added some of our keys first: what it knew decides, and the keys we added follow.
    settled = resolve(leads, foreign).numbered(ids)
    await _correct(conn, tenant_id, {k: c for k, c in settled.keys.items() if stored.get(k) != c})
    return Customers(settled.customers, frozenset(foreign.values()))


async def _known(conn: Connection, tenant_id: int, names: Sequence[str]) -> dict[str, int]:
    rows = await SQL.customers_of_keys.fetch(conn, tenant_id=tenant_id, keys=names)
    return {names[place - 1]: customer for place, customer in rows}


async def _correct(conn: Connection, tenant_id: int, keys: Mapping[str, int]) -> None:
    if keys:
        await SQL.correct_keys.execute(conn, tenant_id=tenant_id, keys=list(keys), customer_ids=list(keys.values()))
