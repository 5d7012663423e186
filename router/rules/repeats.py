"""Repeats: the same enquiry sent again within a day, which must not go to a rep a second time. Pure.

Of the leads of one enquiry, in the order of their creation, the first stands for all that come within 24 hours of it;
the next one after that stands for itself. So who repeats whom depends on the leads alone, not on the order in which
they arrive: what arrives late may show that an earlier answer was another one, as long as nobody works on the leads.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.domain.phone_spellings import spellings
from router.domain.text import fold
from router.rules.customers import Key

WINDOW = timedelta(hours=24)

IDENTIFYING = ("phone", "email", "customer_id")
FIELDS = (
    *(*IDENTIFYING, "name", "company", "product", "region", "industry"),
    *("campaign", "ad_id", "landing_page"),
)
"""By which fields a mapping may tell repeats, in one order. At least one must say who it is."""
OFF = ""
"""The enquiry of leads that repeat nothing, and that nothing repeats."""
_BYTES = 12


class Arrival(NamedTuple):
    """A new lead with what acceptance gave it. `created_at` is aware."""

    lead_id: int
    created_at: datetime
    customer_id: int | None
    lead: LeadIn


class Near(NamedTuple):
    """What is stored around a new lead, of the same enquiry: the lead that stands for the one before it, and when that
    was created (None = there is none within 24 hours); whether there is one that was created in the 24 hours after it.
    """

    root: int | None
    root_at: datetime | None
    later: bool


class Member(NamedTuple):
    """A lead of an enquiry. `into` = the lead that it is merged into now; `fixed` = it stands for itself whatever
    comes, since somebody works on it.
    """

    lead_id: int
    created_at: datetime
    external_id: str
    into: int | None = None
    fixed: bool = False


class Found(NamedTuple):
    """The leads that repeat another one, with that one; and enquiries for which what is near does not decide that."""

    merged: dict[int, int]
    unsettled: list[list[Arrival]]


def named_enquiry(lead: LeadIn, fields: Collection[str]) -> str:
    """What repeats of the lead are told by, where its mapping names the fields; OFF = by nothing."""
    values = {name: _value(lead, name) for name in FIELDS if name in fields}
    known_by = [name for name in IDENTIFYING if values.get(name) and name not in lead.malformed]
    if not known_by:
        return OFF
    text = "\0".join(f"{name}={value}" for name, value in values.items())
    return f"{','.join(known_by)}:{blake2b(text.encode(), digest_size=_BYTES).hexdigest()}"


def ties_of(lead: LeadIn, keys: Iterable[Key]) -> frozenset[str]:
    """The names of those of a lead's keys that say that a repeat of it comes from the same person: of the fields that
    its mapping names, or all of them. Where all of these are shared by many, nothing says so.
    """
    if lead.enquiry is None:
        return frozenset([key.name for key in keys])
    named = set(lead.enquiry.partition(":")[0].split(","))
    return frozenset([key.name for key in keys if not named.isdisjoint(key.kind.split("+"))])


def _value(lead: LeadIn, name: str) -> str:
    value: str = (lead.declared_customer if name == "customer_id" else getattr(lead, name)) or ""
    return spellings(value)[0] if name == "phone" and value and "phone" not in lead.malformed else fold(value)


def is_compared(lead: LeadIn) -> bool:
    """Whether the lead can repeat another one. What nobody can work on is parked: it stands for no other."""
    return lead.enquiry != OFF and lead.invalid is None


def enquiry(arrival: Arrival) -> tuple[object, ...]:
    """What makes two leads the same enquiry: customer, source, and what the mapping names, or all that says who asks
    for what.
    """
    lead = arrival.lead
    if lead.enquiry is not None:
        return (arrival.customer_id, lead.source, lead.enquiry)
    facts = (lead.product, lead.name, lead.phone, lead.email, lead.company, lead.declared_customer)
    return (arrival.customer_id, lead.source, None, *facts)


def find_repeats(arrivals: Sequence[Arrival], near: Mapping[int, Near]) -> Found:
    """Which of the new leads repeat another one; `near` has those around which leads of their enquiry are stored."""
    several = Counter(arrival.customer_id for arrival in arrivals)
    groups: dict[tuple[object, ...], list[Arrival]] = {}
    for arrival in arrivals:
        customer = arrival.customer_id
        if customer is None or (several[customer] == 1 and arrival.lead_id not in near):
            continue
        if is_compared(arrival.lead):
            groups.setdefault(enquiry(arrival), []).append(arrival)
    merged: dict[int, int] = {}
    unsettled = []
    for group in groups.values():
        if any(near[one.lead_id].later for one in group if one.lead_id in near):
            unsettled.append(group)
        elif len(group) > 1 or group[0].lead_id in near:
            merged |= _one_after_the_other(group, near)
    return Found(merged, unsettled)


def _one_after_the_other(group: list[Arrival], near: Mapping[int, Near]) -> dict[int, int]:
    """Where all that is stored of the enquiry was created before, or more than a day after, each of the new leads."""
    merged: dict[int, int] = {}
    root, root_at = 0, None
    for arrival in sorted(group, key=lambda one: (one.created_at, one.lead.external_id)):
        before = near.get(arrival.lead_id)
        if before and before.root and before.root_at and (root_at is None or before.root_at > root_at):
            root, root_at = before.root, before.root_at
        if root_at is not None and arrival.created_at - root_at <= WINDOW:
            merged[arrival.lead_id] = root
        else:
            root, root_at = arrival.lead_id, arrival.created_at
    return merged


def settle(members: Iterable[Member]) -> dict[int, int]:
    """Of the leads of one enquiry those that repeat another one, with that one.

    Each goes to the last lead before it that stands for itself, if that is within a day; else to the next after it
    that somebody works on already, if that is; else it stands for itself.
    """
    ordered = sorted(members, key=lambda one: (one.created_at, not one.fixed, one.external_id))
    fixed = [one for one in ordered if one.fixed]
    merged: dict[int, int] = {}
    root: Member | None = None
    for one in ordered:
        if one.fixed:
            root = one
        elif root is not None and one.created_at - root.created_at <= WINDOW:
            merged[one.lead_id] = root.lead_id
        elif (later := _next_fixed(fixed, one)) is not None:
            merged[one.lead_id] = later.lead_id
        else:
            root = one
    return merged


def _next_fixed(fixed: Sequence[Member], one: Member) -> Member | None:
    return next((f for f in fixed if timedelta() <= f.created_at - one.created_at <= WINDOW), None)


def decided_until(stored: Sequence[Member], members: Sequence[Member], merged: Mapping[int, int]) -> datetime | None:
    """Until when leads have to be looked at: what was created later can only be concerned where the last lead that
    stands for itself is another one than it was. None = nothing later is.
    """
    before = max(((one.created_at, one.lead_id) for one in stored if one.into is None), default=None)
    after = max(((one.created_at, one.lead_id) for one in members if one.lead_id not in merged), default=None)
    last = max((one for one in (before, after) if one is not None), default=None)
    return None if before == after or last is None else last[0] + WINDOW
