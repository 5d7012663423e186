"""Leads that are handed in, one by one or many: accepted in one transaction together with their idempotency keys."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from router.domain.lead_in import LeadIn
from router.rules.repeats import Arrival
from router.store.at_once import Answered, RequestKey, store_at_once
from router.store.errors import STALE_PLANS, InterfaceError, PostgresError, Trouble, lost_to_another, trouble_of
from router.store.idempotency import KeyOvertakenError, NewKey, StoredAnswer, put_keys, stored_answers
from router.store.leads import (
    Accepted,
    Answering,
    Begun,
    OvertakenError,
    accept,
    accept_here,
    begin_accepting,
    begun_by,
    states_of,
    steady,
)
from router.store.look import look
from router.store.new_leads import are_few
from router.store.statements import Connection, is_distributed
from router.store.transactions import retried

ROUTE = "leads"
"""The scope of the keys, within a tenant."""


IdempotencyKey = RequestKey
"""The key that a client gave its request, and the hash (16 bytes) of the request's body."""


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


MatchRules = dict[int, str | None]
"""By tenant, the match rules that held for its last leads."""

_KEPT = Answered(ROUTE, msgspec.json.encode(Taken(0, "waiting")).decode().replace("0", "%s", 1))
"""What is kept of the answer about a new lead: as `_stored` writes it."""


async def take_new(
    conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn], match_rules: MatchRules
) -> list[Outcome | None]:
    """Stores, durably and in one round trip, the leads that are new and of new customers; None = nothing was done about
    it: for `take_in`. Raises what the database raises, but for what `take_in` knows how to deal with.
    """
    nothing: list[Outcome | None] = [None] * len(handed_in)
    if is_distributed(conn):
        return nothing
    leads, keys = [one.lead for one in handed_in], [one.key for one in handed_in]
    try:
        numbers = await store_at_once(
            conn, tenant_id, leads, keys, _KEPT, match_rules.get(tenant_id), datetime.now(UTC)
        )
    except (PostgresError, InterfaceError) as error:
        # Somebody was faster, or one of them cannot be stored: nothing was.
        if trouble_of(error) is Trouble.REFUSED_ROW or lost_to_another(error) or isinstance(error, STALE_PLANS):
            return nothing
        raise
    return [None if number is None else Taken(number, "waiting") for number in numbers]


async def take_in(
    conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn], match_rules: MatchRules | None = None
) -> list[Outcome]:
    """Stores the leads, durably and once, all or none; returns what became of each. `match_rules` are remembered from
    one time to the next.

    Again with the same leads it does nothing. Raises what the database raises.
    """
    if are_few(len(handed_in)) or any(one.key is not None for one in handed_in):
        return await _take_in_with_keys(conn, tenant_id, handed_in, {} if match_rules is None else match_rules)
    leads = [one.lead for one in handed_in]
    return list(await _taken(conn, tenant_id, leads, await accept(conn, tenant_id, leads)))


@retried
async def _take_in_with_keys(
    conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn], match_rules: MatchRules
) -> list[Outcome]:
    # Nearly all keys are new: whether they are is seen when they are stored, and only then looked at before. Where
    # tables are distributed (Citus) the look in one statement cannot be had, since one server gives the numbers.
    seen = is_distributed(conn)
    # Each time a key or a lead more is there at the next look.
    for _ in range(2 * len(handed_in) + 2):
        try:
            async with steady(conn, len(handed_in)).transaction():
                if seen:
                    return await _take_some(conn, tenant_id, handed_in)
                return await _take_new(conn, tenant_id, handed_in, match_rules)
        except OvertakenError:
            continue
        except KeyOvertakenError:
            seen = True
    raise RuntimeError(f"tenant {tenant_id}: what others stored first is gone again, {2 * len(handed_in)} times over")


async def _take_new(
    conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn], match_rules: MatchRules
) -> list[Outcome]:
    """No key is taken for known. Raises KeyOvertakenError when one is, and OvertakenError."""
    first = _first_with_their_key(handed_in, ())
    leads = [one.lead for one in first]
    looked = await look(conn, tenant_id, leads, match_rules.get(tenant_id))
    begun = begun_by(tenant_id, looked, datetime.now(UTC))
    match_rules[tenant_id] = begun.match_rules
    taken: list[Taken] = []
    new: list[NewKey] = []

    def answers(arrivals: Sequence[Arrival], merged: Mapping[int, int]) -> list[NewKey]:
        ids = {arrival.lead[:2]: arrival.lead_id for arrival in arrivals}
        taken.extend(_new_taken(lead, ids[lead[:2]], merged) for lead in leads)
        new.extend(_new_keys(first, taken))
        return new

    accepted = await accept_here(conn, tenant_id, leads, begun, looked=looked, answering=Answering(ROUTE, answers))
    if not taken:
        taken = await _taken(conn, tenant_id, leads, accepted)
        new = _new_keys(first, taken)
        await _put(conn, tenant_id, new)
    return _outcomes(handed_in, first, taken, new, {})


async def _take_some(conn: Connection, tenant_id: int, handed_in: Sequence[HandedIn]) -> list[Outcome]:
    """Those whose key is known get the earlier answer. Raises KeyOvertakenError and OvertakenError."""
    begun = await begin_accepting(conn, tenant_id, len(handed_in))
    keys = list(dict.fromkeys(one.key.text for one in handed_in if one.key is not None))
    known = await stored_answers(conn, tenant_id, ROUTE, keys)
    first = _first_with_their_key(handed_in, known)
    taken = await _accepted(conn, tenant_id, first, begun)
    new = _new_keys(first, taken)
    await _put(conn, tenant_id, new)
    return _outcomes(handed_in, first, taken, new, known)


def _first_with_their_key(handed_in: Sequence[HandedIn], known: Collection[str]) -> list[HandedIn]:
    """Those that are stored: of the same key the first decides, and none of those that are known."""
    seen = set(known)
    first = []
    for one in handed_in:
        if one.key is None:
            first.append(one)
        elif one.key.text not in seen:
            seen.add(one.key.text)
            first.append(one)
    return first


def _new_keys(first: Sequence[HandedIn], taken: Sequence[Taken]) -> list[NewKey]:
    return [NewKey(*one.key, *_stored(became)) for one, became in zip(first, taken, strict=True) if one.key is not None]


async def _put(conn: Connection, tenant_id: int, new: Sequence[NewKey]) -> None:
    if new and not await put_keys(conn, tenant_id, ROUTE, new):
        raise KeyOvertakenError


def _outcomes(
    handed_in: Sequence[HandedIn],
    first: Sequence[HandedIn],
    taken: Sequence[Taken],
    new: Sequence[NewKey],
    known: Mapping[str, StoredAnswer],
) -> list[Outcome]:
    if len(first) == len(handed_in):
        return list(taken)
    became = dict(zip(map(id, first), taken, strict=True))
    known = {**known, **{key.key: StoredAnswer(key.body_hash, key.answer) for key in new}}
    return [became[id(one)] if id(one) in became else _earlier(one, known) for one in handed_in]


def _stored(taken: Taken) -> tuple[int, bytes]:
    assert taken.lead_id is not None
    return taken.lead_id, msgspec.json.encode(taken)


def _earlier(one: HandedIn, known: Mapping[str, StoredAnswer]) -> Outcome:
    assert one.key is not None
    stored = known[one.key.text]
    if stored.body_hash != one.key.body_hash:
        return KeyUsed(one.key.text)
    return msgspec.json.decode(stored.answer, type=Taken)._replace(replayed=True)


async def _accepted(conn: Connection, tenant_id: int, fresh: Sequence[HandedIn], begun: Begun) -> list[Taken]:
    if not fresh:
        return []
    leads = [one.lead for one in fresh]
    return await _taken(conn, tenant_id, leads, await accept_here(conn, tenant_id, leads, begun))


async def _taken(conn: Connection, tenant_id: int, leads: Sequence[LeadIn], accepted: Accepted) -> list[Taken]:
    before = list(set(accepted.lead_ids) - accepted.new_ids)
    states = await states_of(conn, tenant_id, before) if before else {}
    return _each(leads, accepted, states)


def _each(leads: Sequence[LeadIn], accepted: Accepted, states: Mapping[int, tuple[str, int | None]]) -> list[Taken]:
    differing = {one.place: one.fields for one in accepted.differing}
    seen: set[int] = set()
    taken = []
    for place, (lead, lead_id) in enumerate(zip(leads, accepted.lead_ids, strict=True)):
        if lead_id in accepted.new_ids:
            found = _new_taken(lead, lead_id, accepted.merged_into)
            taken.append(found._replace(duplicate=lead_id in seen, differing=differing.get(place, ())))
        else:
            state, into = states.get(lead_id, ("nowhere", None))
            taken.append(Taken(lead_id, state, True, differing.get(place, ()), into))
        seen.add(lead_id)
    return taken


def _new_taken(lead: LeadIn, lead_id: int, merged: Mapping[int, int]) -> Taken:
    into = merged.get(lead_id)
    if into is not None:
        return Taken(lead_id, "merged", merged_into=into)
    return Taken(lead_id, "parked" if lead.invalid is not None else "waiting")
