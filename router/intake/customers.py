"""Who is the customer of a lead: by declared id, then phone, then e-mail, or as the tenant's match rules say.

Pure; the store keeps the keys. With every key goes a tally of the people it came with. A key with too many people, a
switchboard or a number that only fills a form, ties nobody any more.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

from router.domain.lead_in import LeadIn
from router.intake.match_rules import MatchRules

DEFAULT_RULES = MatchRules()
_NOBODY: frozenset[int] = frozenset()
# What tells people apart, by the field that they share. People may have one customer id for good reason.
_WITNESSES = {
    "phone": ("name", "email", "customer_id"),
    "email": ("name", "phone", "customer_id"),
    "email_domain": ("company",),
}
_WITNESS_NO = {"name": 0, "phone": 1, "email": 2, "customer_id": 3, "company": 3}


class Key(NamedTuple):
    """By what a lead names its customer: `name` has 32 hexadecimal digits.

    `people` are the marks of whom this lead says that it is: a number for each of its other contacts and its name.
    """

    name: str
    kind: str
    value: str
    people: frozenset[int] = _NOBODY


class Known(NamedTuple):
    """What is known of a key. `shared_as` is its text once too many people share it; then it ties nobody.

    `customer` is then whom it tied until it did; None = nobody.
    """

    customer: int | None
    people: frozenset[int] = _NOBODY
    shared_as: str | None = None


def key_name(kind: str, value: str) -> str:
    """The name of a key. The kind of a tie of several fields is these joined by `+`, its value theirs by NUL."""
    # Declared ids had this name before there were match rules.
    kind = "declared" if kind == "customer_id" else kind
    return blake2b(f"{kind}\0{value}".encode(), digest_size=16).hexdigest()


def customer_keys(lead: LeadIn, rules: MatchRules = DEFAULT_RULES) -> tuple[Key, ...]:
    """The lead's keys in their precedence; malformed contacts and excluded values give none."""
    facts = _facts(lead)
    keys = []
    for tie in rules.tie_by:
        values = [facts[name] for name in tie if name in facts and not rules.excludes(name, facts[name])]
        if len(values) < len(tie):
            continue
        kind, value = "+".join(tie), "\0".join(values)
        keys.append(Key(key_name(kind, value), kind, value, _people(kind, facts)))
    return tuple(keys)


def _facts(lead: LeadIn) -> dict[str, str]:
    """What of a lead can tie it or tell people apart, in one spelling."""
    facts = dict[str, str]()
    if lead.declared_customer:
        facts["customer_id"] = lead.declared_customer
    if lead.phone and "phone" not in lead.malformed:
        facts["phone"] = lead.phone
    if lead.email and "email" not in lead.malformed:
        facts["email"] = lead.email
        facts["email_domain"] = lead.email.rpartition("@")[2]
    if lead.name:
        facts["name"] = " ".join(lead.name.casefold().split())
    if lead.company:
        facts["company"] = " ".join(lead.company.casefold().split())
    return facts


def _people(kind: str, facts: Mapping[str, str]) -> frozenset[int]:
    witnesses = _WITNESSES.get(kind, ())
    return frozenset([crc32(facts[w].encode()) << 2 | _WITNESS_NO[w] for w in witnesses if w in facts])


def people_of(marks: Iterable[int]) -> int:
    """How many different people these marks show at least: the most names, or phones, or e-mail addresses, or ids."""
    return max(Counter(mark & 3 for mark in marks).values(), default=0)


@dataclass(frozen=True, slots=True)
class Resolution:
    """`customers`: one per lead, None = no key that ties. `keys`: what is known of every key of the batch now.

    Customers that are new have the numbers -1 … -`new`, until `numbered` gives them their own.
    """

    customers: tuple[int | None, ...]
    keys: Mapping[str, Known]
    new: int

    def numbered(self, ids: Sequence[int]) -> "Resolution":
        """With `ids[0]` for customer -1 and so on; takes `new` ids and ignores the rest."""
        customers = tuple(ids[-c - 1] if c is not None and c < 0 else c for c in self.customers)
        keys = {
            key: known._replace(customer=ids[-known.customer - 1])
            if known.customer is not None and known.customer < 0
            else known
            for key, known in self.keys.items()
        }
        return Resolution(customers, keys, 0)


def resolve(leads: Sequence[tuple[Key, ...]], known: Mapping[str, Known], most_people: int = 5) -> Resolution:
    """The customer of each lead, in order: that of its first known key; its other keys become theirs too.

    `leads` are the keys of each lead, in precedence; `known` the keys that are stored. A key keeps its customer: a
    lead with keys of two customers belongs to the one that its first known key names. The batch's people are counted
    before its leads are tied, so inside a batch it does not matter who came first.
    """
    tally = _tally(leads, known, most_people)
    owner = {
        name: stored.customer for name, stored in known.items() if stored.customer is not None and not stored.shared_as
    }
    shared = {key.name: _text(key) for keys in leads for key in keys if _is_shared(tally[key.name], most_people)}
    for name in tally:
        if name in shared:
            owner.pop(name, None)
        elif name in known and known[name].shared_as and (before := known[name].customer) is not None:
            # The rules allow more people now, so the key ties whom it tied before.
            owner[name] = before
    customers: list[int | None] = []
    new = 0
    for keys in leads:
        names = [key.name for key in keys if key.name not in shared] if shared else [key.name for key in keys]
        customer = next((owner[name] for name in names if name in owner), None)
        if customer is None and names:
            new += 1
            customer = -new
        for name in names:
            owner.setdefault(name, customer or 0)
        customers.append(customer)
    keys_now = {
        name: Known(known[name].customer if name in known else None, people, shared[name])
        if name in shared
        else Known(owner[name], people)
        for name, people in tally.items()
    }
    return Resolution(tuple(customers), keys_now, new)


def _is_shared(people: frozenset[int], most_people: int) -> bool:
    return len(people) > most_people and people_of(people) > most_people


def _text(key: Key) -> str:
    return f"{key.kind} {key.value}"


def _tally(leads: Iterable[tuple[Key, ...]], known: Mapping[str, Known], most_people: int) -> dict[str, frozenset[int]]:
    """The people of every key. Of a key that ties nobody no more are noted than prove it."""
    tally: dict[str, frozenset[int]] = {}
    full = set()
    for keys in leads:
        for name, _, _, people in keys:
            before = tally.get(name)
            if before is None:
                stored = known.get(name)
                before = stored.people if stored else _NOBODY
                if _is_shared(before, most_people):
                    full.add(name)
            tally[name] = before if name in full or people <= before else before | people
    for name, people in tally.items():
        if name not in full and len(people) > most_people + 1:
            tally[name] = _enough(people, most_people)
    return tally


def _enough(people: frozenset[int], most_people: int) -> frozenset[int]:
    """Of every kind of mark the lowest ones, one more than is allowed; so that order does not matter."""
    kept: list[int] = []
    for witness in range(4):
        kept += sorted(mark for mark in people if mark & 3 == witness)[: most_people + 1]
    return frozenset(kept)
