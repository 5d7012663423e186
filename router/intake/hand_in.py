"""Leads that are handed in, one by one or many: accepted in one transaction together with their idempotency keys."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from router.domain.lead_in import LeadIn
from router.store.idempotency import NewKey, StoredAnswer, put_keys, stored_answers
from router.store.leads import Accepted, accept, states_of, steady_plans
from router.store.statements import Connection
from router.store.transactions import retried

ROUTE = "leads"
"""The scope of the keys, within a tenant."""


class IdempotencyKey(NamedTuple):
    """The key that a client gave its request, and the hash (16 bytes) of the request's body."""

    text: str
    body_hash: bytes


class HandedIn(NamedTuple):
    """A lead, and the key of the request that brought it."""

    lead: LeadIn
    key: IdempotencyKey | None = None


class Taken(NamedTuple):
    """A lead that is stored: `state` is where it is, `duplicate` = it was there before, and differs in `differing`.

    `replayed` = this is what was answered to an earlier request with the same key.
    """

    lead_id: int | None
    state: str
    duplicate: bool = False
    differing: tuple[str, ...] = ()
    merged_into: int | None = None
    replayed: bool = False


class KeyUsed(NamedTuple):
    """The key stands for a request with another body."""

    key: str


class Unstorable(NamedTuple):
    """The database will not have this lead, whenever it is written."""

    reason: str


Outcome = Taken | KeyUsed | Unstorable


class _KeyOvertakenError(Exception):
    """Another process stored one of our keys between our look and our write; look again."""


async def take_in(conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn]) -> list[Outcome]:
    """Stores the leads, durably and once, all or none; returns what became of each.

    Again with the same leads it does nothing. Raises what the database raises.
    """
    if any(one.key is not None for one in handed_in):
        return await _take_in_with_keys(conn, tenant_id, handed_in)
    return list(await _taken(conn, tenant_id, [one.lead for one in handed_in]))


@retried
async def _take_in_with_keys(conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn]) -> list[Outcome]:
    for _ in range(len(handed_in) + 1):
        try:
            async with conn.transaction():
                return await _look_and_take(conn, tenant_id, handed_in)
        except _KeyOvertakenError:
            continue
    raise RuntimeError(f"tenant {tenant_id}: keys that others stored first are gone again, {len(handed_in)} times over")


async def _look_and_take(conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn]) -> list[Outcome]:
    """Those whose key is known get the earlier answer; of the same key in one group, the first decides."""
    await steady_plans(conn, tenant_id, len(handed_in))
    keys = list(dict.fromkeys(one.key.text for one in handed_in if one.key is not None))
    known = await stored_answers(conn, tenant_id, ROUTE, keys)
    first: dict[str, HandedIn] = {}
    fresh = []
    for one in handed_in:
        if one.key is None or (one.key.text not in known and first.setdefault(one.key.text, one) is one):
            fresh.append(one)
    taken = dict(zip(map(id, fresh), await _taken(conn, tenant_id, [one.lead for one in fresh]), strict=True))
    new = [NewKey(*one.key, *_stored(taken[id(one)])) for one in fresh if one.key is not None]
    if new and not await put_keys(conn, tenant_id, ROUTE, new):
        raise _KeyOvertakenError
    known = {**known, **{key.key: StoredAnswer(key.body_hash, key.answer) for key in new}}
    return [taken[id(one)] if id(one) in taken else _earlier(one, known) for one in handed_in]


def _stored(taken: Taken) -> tuple[int, bytes]:
    assert taken.lead_id is not None
    return taken.lead_id, msgspec.json.encode(taken)


def _earlier(one: HandedIn, known: Mapping[str, StoredAnswer]) -> Outcome:
    assert one.key is not None
    stored = known[one.key.text]
    if stored.body_hash != one.key.body_hash:
        return KeyUsed(one.key.text)
    return msgspec.json.decode(stored.answer, type=Taken)._replace(replayed=True)


async def _taken(conn: Connection, tenant_id: int, leads: Sequence[LeadIn]) -> list[Taken]:
    if not leads:
        return []
    accepted = await accept(conn, tenant_id, leads)
    before = list(set(accepted.lead_ids) - accepted.new_ids)
    states = await states_of(conn, tenant_id, before) if before else {}
    return _each(leads, accepted, states)


def _each(leads: Sequence[LeadIn], accepted: Accepted, states: Mapping[int, tuple[str, int | None]]) -> list[Taken]:
    differing = {one.place: one.fields for one in accepted.differing}
    seen: set[int] = set()
    taken = []
    for place, (lead, lead_id) in enumerate(zip(leads, accepted.lead_ids, strict=True)):
        new = lead_id in accepted.new_ids
        state, into = (
            _new_state(lead, accepted.merged_into.get(lead_id)) if new else states.get(lead_id, ("nowhere", None))
        )
        taken.append(Taken(lead_id, state, not new or lead_id in seen, differing.get(place, ()), into))
        seen.add(lead_id)
    return taken


def _new_state(lead: LeadIn, into: int | None) -> tuple[str, int | None]:
    return ("merged", into) if into is not None else ("parked" if lead.invalid is not None else "waiting", None)
