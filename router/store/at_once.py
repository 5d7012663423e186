"""Leads of new customers are stored at once: looked at, numbered and stored by one statement, its own transaction.

For others nothing is done here: who has been here before, or comes together with somebody of the same phone, is looked
at by those who know how (`leads.accept_here`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from router.domain.clocks import JUMP
from router.domain.lead_in import LeadIn
from router.rules.customers import Key, customer_keys
from router.rules.match_rules import MatchRules, parse_stored_match_rules
from router.store.customers import array_text
from router.store.idempotency import HOLDS_S
from router.store.statements import Connection, load
from router.store.transactions import as_own_transaction

_SQL = load("at_once")
_AHEAD_S = JUMP.total_seconds()


class RequestKey(NamedTuple):
    """The idempotency key of the request that brought a lead, and the hash (16 bytes) of its body."""

    text: str
    body_hash: bytes


class Answered(NamedTuple):
    """What is kept for repeated requests: under which `route`, and the answer, with %s for the number of the lead."""

    route: str
    answer: str


class _Alone(NamedTuple):
    """A lead that shares nothing with another one of its group: by what it is ordered, its place there, its keys."""

    identity: str
    place: int
    keys: tuple[Key, ...]


class _Facts(msgspec.Struct, omit_defaults=True):
    """By the names of the columns; what is left out is null. `n` is the place among those that are stored, from 1."""

    n: int
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    company: str | None = None
    declared_customer: str | None = None
    region: str | None = None
    industry: str | None = None
    product: str | None = None
    campaign: str | None = None
    ad_id: str | None = None
    landing_page: str | None = None
    priority: int = 0
    attributes: msgspec.Raw | None = None
    enquiry: str | None = None


async def store_at_once(
    conn: Connection,
    tenant_id: int,
    leads: Sequence[LeadIn],
    requests: Sequence[RequestKey | None],
    answered: Answered,
    match_rules: str | None,
    host: datetime,
) -> list[int | None]:
    """Stores, durably, the leads that are new and of new customers; returns their numbers, None = not stored, since
    there is more to look at. `requests` are side by side with the leads. `match_rules` are those, as stored, that held
    the last time, `host` is the time by this host (aware).

    All that it stores is stored together, or nothing. Raises what the database raises, UniqueViolation too: where
    others were faster, or the key of a request is stored already. Not on Citus.
    """
    rules = parse_stored_match_rules(match_rules or "")
    alone = _alone(leads, requests, rules)
    if not alone:
        return [None] * len(leads)
    own = [leads[one.place] for one in alone]
    keys = sorted([(key[0], n, array_text(key[3])) for n, one in enumerate(alone, 1) for key in one.keys])
    asked = [(request, n) for n, one in enumerate(alone, 1) if (request := requests[one.place]) is not None]

    async def ask(session: Connection, lock_ms: int) -> list[int | None] | None:
        numbers: list[int | None] | None = await _SQL.store_new.value(
            session,
            tenant_id=tenant_id,
            match_rules=match_rules,
            host_now=host,
            ahead_s=_AHEAD_S,
            lock_ms=lock_ms,
            sources=_listed([lead[0] for lead in own]),
            external_ids=_listed([lead[1] for lead in own]),
            created_ats=_listed([lead[2] for lead in own]),
            turns=_listed([one.place for one in alone]),
            facts=_listed([_facts(n, lead) for n, lead in enumerate(own, 1)]),
            keys=_listed([name for name, _, _ in keys]),
            key_leads=_listed([n for _, n, _ in keys]),
            people=_listed([people for _, _, people in keys]),
            route=answered.route,
            request_keys=_listed([request[0] for request, _ in asked]),
            request_leads=_listed([n for _, n in asked]),
            body_hashes=_listed([request[1].hex() for request, _ in asked]),
            answer=answered.answer,
            holds_s=float(HOLDS_S),
        )
        return numbers

    numbers = await as_own_transaction(conn, ask)
    found: list[int | None] = [None] * len(leads)
    for one, number in zip(alone, numbers or (), strict=numbers is not None):
        found[one.place] = number
    return found


def _alone(leads: Sequence[LeadIn], requests: Sequence[RequestKey | None], rules: MatchRules) -> list[_Alone]:
    """In the order in which everybody stores leads. Left out are invalid ones, which are parked, those that share their
    identity, a key of their customer or a request's key with another one, and those with a key that nobody may have.
    """
    most = rules.shared_above
    first: dict[str, int] = {}
    left_out: set[int] = set()
    found: list[_Alone] = []
    for place, lead in enumerate(leads):
        keys = customer_keys(lead, rules)
        # Neither source nor external id holds a NUL; one text is compared faster than two.
        identity = f"{lead[0]}\0{lead[1]}"
        request = requests[place]
        names = [identity] if request is None else [identity, f"\0\0{request[0]}"]
        if lead.invalid is not None:
            left_out.add(place)
        for key in keys:
            names.append(key[0])
            if len(key[3]) > most:
                left_out.add(place)
        for name in names:
            before = first.setdefault(name, place)
            if before != place:
                left_out.add(before)
                left_out.add(place)
        found.append(_Alone(identity, place, keys))
    return sorted([one for one in found if one[1] not in left_out] if left_out else found)


def _listed(values: list[Any]) -> str:
    return msgspec.json.encode(values).decode()


def _facts(n: int, lead: LeadIn) -> _Facts:
    name, phone, email, company, declared, region, industry, product, campaign, ad_id, landing_page = lead[3:14]
    attributes = lead[15]
    return _Facts(
        n,
        name,
        phone,
        email,
        company,
        declared,
        region,
        industry,
        product,
        campaign,
        ad_id,
        landing_page,
        lead[14],
        None if attributes is None else msgspec.Raw(attributes.encode()),
        lead[18],
    )
