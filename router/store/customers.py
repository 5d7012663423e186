"""The customers of arriving leads: their keys are read, held and added while leads are stored.

Whoever stores leads locks the keys that are there, in the order of their names, and only then adds those that are not,
in the same order. So whoever waits for a lock waits for one who adds or locks a later key, and nobody can deadlock.
A key that somebody else has added since we looked breaks that order: then all is begun again.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from router.rules.customers import Key, Known, Resolution, is_shared, resolve
from router.store.copy_text import NULL, copy_lines, escaped
from router.store.statements import Connection, Statement, load

_SQL = load("customers")
_FEW = 200
"""Up to so many keys are added with one statement, since COPY takes one round trip more."""
_NOT_SHARED = f"{NULL}\t{NULL}"
_ARRAYS = [f"{{{','.join(['%d'] * marks)}}}" for marks in range(5)]
_COLUMNS = ("tenant_id", "key", "customer_id", "people", "shared_as", "shared_at")


class Customers(NamedTuple):
    """Whose the leads are, new customers not `numbered` yet; the `names` of their keys, ascending; what is stored."""

    found: Resolution
    names: Sequence[str]
    known: Mapping[str, Known]

    @property
    def new(self) -> list[str]:
        """The names that are not stored, ascending."""
        return [name for name in self.names if name not in self.known]

    @property
    def old(self) -> frozenset[int]:
        """Those that were known before this transaction."""
        return frozenset(key.customer for key in self.known.values() if key.customer is not None)


class NewCustomerKeys(NamedTuple):
    """Keys that nobody shares, side by side: names, customers, and people as PostgreSQL writes arrays."""

    names: Sequence[str] = ()
    customer_ids: Sequence[int | None] = ()
    people: Sequence[str | None] = ()


def names_of(leads: Iterable[tuple[Key, ...]]) -> list[str]:
    """The names of all the leads' keys, ascending."""
    return sorted({key[0] for keys in leads for key in keys})


async def customers_of(
    conn: Connection,
    tenant_id: int,
    leads: Sequence[tuple[Key, ...]],
    shared_above: int,
    known: Mapping[str, Known] | None = None,
) -> Customers:
    """The customer of each lead, given the leads' keys; those that are stored are locked until the transaction ends.
    `known` is what is known of the keys that are stored, where that was looked up already.

    Not so keys that are known to be shared and stay it: a switchboard must not make everybody take turns.
    """
    names = names_of(leads)
    if known is None:
        known = await _known(conn, _SQL.customers_of_keys, tenant_id, names)
    held = [name for name in names if name in known and not _stays_shared(known[name], shared_above)]
    locked = await _known(conn, _SQL.hold_keys, tenant_id, held)
    if len(locked) < len(held):
        # Those that are gone by now were forgotten with the leads that brought them: they are added anew.
        gone = set(held) - locked.keys()
        known = {name: key for name, key in known.items() if name not in gone}
    known = {**known, **locked}
    return Customers(resolve(leads, known, shared_above), names, known)


def tied_before(settled: Resolution, customers: Customers) -> set[int]:
    """The customers whom keys tied that are found to be shared by many now."""
    new = [name for name in settled.shared if (was := customers.known.get(name)) is None or was.shared_as is None]
    return {customer for name in new if (customer := settled.keys[name]) in customers.old}


async def store_keys(
    conn: Connection, tenant_id: int, customers: Customers, settled: Resolution, now: datetime
) -> None:
    """Adds the keys that are new and changes those of which more is known now.

    `customers` as found by `customers_of`, `settled` with the numbers. Raises UniqueViolationError when somebody else
    was first with a key.
    """
    new = customers.new
    if len(new) > _FEW:
        await copy_lines(conn, "customer_key", _COLUMNS, _lines(tenant_id, settled, new, now))
    elif new:
        await _write(conn, _SQL.add_keys, tenant_id, settled, new, now)
    await change_keys(conn, tenant_id, customers, settled, now)


async def change_keys(
    conn: Connection, tenant_id: int, customers: Customers, settled: Resolution, now: datetime
) -> None:
    """Changes the keys of which more is known now."""
    known = customers.known
    changed = [name for name in known if known[name] != settled.known(name)]
    if changed:
        await _write(conn, _SQL.change_keys, tenant_id, settled, changed, now)


def keys_to_add(customers: Customers, settled: Resolution) -> NewCustomerKeys | None:
    """The keys that are new, to be stored together with their leads; None = some are shared, which is stored first."""
    if settled.shared:
        return None
    new, keys, people = customers.new, settled.keys, settled.people
    return NewCustomerKeys(new, [keys[name] for name in new], [array_text(people[name]) for name in new])


async def _write(
    conn: Connection, statement: Statement, tenant_id: int, settled: Resolution, names: Sequence[str], now: datetime
) -> None:
    await statement.execute(
        conn,
        tenant_id=tenant_id,
        keys=names,
        customer_ids=[settled.keys[name] for name in names],
        # Ragged arrays cannot go through unnest; their texts can.
        people=[array_text(settled.people[name]) for name in names],
        shared_as=[settled.shared.get(name) for name in names],
        shared_at=now,
    )


async def known_keys(conn: Connection, tenant_id: int, names: Sequence[str]) -> dict[str, Known]:
    """What is stored of these keys. Outside of the intake, and so by a statement of its own: that of the intake keeps
    the plan that was made for it first.
    """
    return await _known(conn, _SQL.look_up_keys, tenant_id, names)


async def _known(conn: Connection, statement: Statement, tenant_id: int, names: Sequence[str]) -> dict[str, Known]:
    if not names:
        return {}
    rows: Sequence[asyncpg.Record] = await statement.fetch(conn, tenant_id=tenant_id, keys=names)
    return {names[place - 1]: Known(customer, frozenset(people or ()), text) for place, customer, people, text in rows}


def known_of(names: Sequence[str], rows: Iterable[tuple[int, int | None, str | None, str | None]]) -> dict[str, Known]:
    """What is known of stored keys, of rows in which people are written as PostgreSQL writes arrays."""
    return {names[place - 1]: Known(customer, _people(people), text) for place, customer, people, text in rows}


def _people(text: str | None) -> frozenset[int]:
    return frozenset(map(int, text[1:-1].split(","))) if text and text != "{}" else frozenset()


def _stays_shared(key: Known, shared_above: int) -> bool:
    return key.shared_as is not None and is_shared(key.people, shared_above)


def _lines(tenant_id: int, settled: Resolution, names: Sequence[str], now: datetime) -> list[str]:
    """Rows of COPY, in the order of _COLUMNS and of the names."""
    keys, people, shared = settled.keys, settled.people, settled.shared
    # Phone and e-mail of a lead came with the same people.
    arrays = {marks: array_text(marks) or NULL for marks in {people[name] for name in names}}
    if shared:
        since = now.isoformat()
        sharing = {name: f"{escaped(shared[name])}\t{since}" for name in names if name in shared}
        rest = [sharing.get(name, _NOT_SHARED) for name in names]
        owners = [NULL if keys[name] is None else str(keys[name]) for name in names]
        rows = zip(names, owners, rest, strict=True)
        return [f"{tenant_id}\t{name}\t{owner}\t{arrays[people[name]]}\t{end}\n" for name, owner, end in rows]
    return [f"{tenant_id}\t{name}\t{keys[name]}\t{arrays[people[name]]}\t{_NOT_SHARED}\n" for name in names]


def array_text(marks: frozenset[int]) -> str | None:
    """As PostgreSQL writes an array; None where there are none."""
    if not marks:
        return None
    # Nearly all have so few; one format is faster than joining their texts.
    return _ARRAYS[len(marks)] % tuple(marks) if len(marks) < len(_ARRAYS) else f"{{{','.join(map(str, marks))}}}"


async def new_customers(conn: Connection, number: int) -> list[int]:
    """So many numbers for new customers."""
    return list(await _SQL.new_customers.value(conn, customers=number))
