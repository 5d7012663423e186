"""Who is the customer of a lead: by declared id, then phone, then e-mail, or as the tenant's match rules say.

Pure; the store keeps the keys. With every key goes a tally of the people it came with. A key with too many people, a
switchboard or a number that only fills a form, is no longer used for matching.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

from router.domain.lead_in import LeadIn
from router.domain.phone_spellings import spellings
from router.domain.text import without_invisible
from router.rules.match_rules import MatchRules, Tie

DEFAULT_RULES = MatchRules()
_NOBODY: frozenset[int] = frozenset()
_CONTACTS = ("phone", "email")
_DECLARED = "customer_id"


class Key(NamedTuple):
    """By what a lead names its customer: `name` has 32 hexadecimal digits.

    `people` are the marks of whom this lead says that it is: a number for its name and each of its contacts.
    """

    name: str
    kind: str
    value: str
    people: frozenset[int] = _NOBODY


class Known(NamedTuple):
    """What is known of a key. `shared_as` is its text once too many people share it; then it is not used.

    `customer` is then whose it was until then; None = nobody's.
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
    """The lead's keys in their precedence; malformed contacts and excluded values give none.

    A number that its country writes in two ways gives a key for each.
    """
    facts = _facts(lead, rules.fields)
    respelled = _respelled(facts)
    keys = []
    people: frozenset[int] | None = None
    for tie, only, kind in rules.ties:
        if only is not None:
            values = facts.get(only)
            if values is None or rules.excludes(only, values):
                continue
        elif (values := _values(tie, facts, rules)) is None:
            continue
        if kind in _CONTACTS:
            marks = people = _people(lead, facts) if people is None else people
        elif kind == _DECLARED:
            marks = _party(lead, facts, rules)
        else:
            marks = _companies(tie, lead)
        keys.append(Key(key_name(kind, values), kind, values, marks))
        if respelled is not None and "phone" in tie and (again := _values(tie, respelled, rules)) is not None:
            keys.append(Key(key_name(kind, again), kind, again, marks))
    return tuple(keys)


def _respelled(facts: dict[str, str]) -> dict[str, str] | None:
    """Puts the phone into its newest spelling; returns the facts with the other one, if there is one."""
    phone = facts.get("phone")
    if phone is None or len(ways := spellings(phone)) == 1:
        return None
    facts["phone"] = ways[0]
    return {**facts, "phone": ways[1]}


class Prepared(NamedTuple):
    """The keys of leads, side by side with them, as `rules` say."""

    rules: MatchRules
    keys: list[tuple[Key, ...]]

    def part(self, which: slice) -> "Prepared":
        """Those of some of the leads."""
        return self._replace(keys=self.keys[which])

    def with_more(self, more: "Prepared") -> "Prepared | None":
        """With those of the leads that follow; None where other rules hold for them."""
        if more.rules != self.rules:
            return None
        self.keys.extend(more.keys)
        return self


def prepare(leads: Sequence[LeadIn], rules: MatchRules) -> Prepared:
    """The keys of all the leads."""
    return Prepared(rules, [customer_keys(lead, rules) for lead in leads])


def _values(tie: Tie, facts: Mapping[str, str], rules: MatchRules) -> str | None:
    """The values of a tie's fields, joined by NUL; None where one is missing or ignored."""
    values = []
    for name in tie:
        value = facts.get(name)
        if value is None or rules.excludes(name, value):
            return None
        values.append(value)
    return "\0".join(values)


def _facts(lead: LeadIn, wanted: frozenset[str]) -> dict[str, str]:
    """What of a lead can tie it, in one spelling; of name and company only what is wanted."""
    facts: dict[str, str] = {}
    if lead.declared_customer and "customer_id" not in lead.malformed:
        facts["customer_id"] = lead.declared_customer
    if lead.phone and "phone" not in lead.malformed:
        facts["phone"] = lead.phone
    if lead.email and "email" not in lead.malformed:
        facts["email"] = lead.email
        if "email_domain" in wanted:
            facts["email_domain"] = lead.email.rpartition("@")[2]
    if lead.name and "name" in wanted:
        facts["name"] = _one_spelling(lead.name)
    if lead.company and "company" in wanted:
        facts["company"] = _one_spelling(lead.company)
    return facts


def _one_spelling(text: str) -> str:
    return " ".join(without_invisible(text).casefold().split())


def _people(lead: LeadIn, facts: Mapping[str, str]) -> frozenset[int]:
    """The marks of who asks. A phone is shared when names, addresses or customer ids are many, an address likewise."""
    marks = [crc32(_one_spelling(lead.name).encode()) << 2] if lead.name else []
    if "phone" in facts:
        marks.append(crc32(facts["phone"].encode()) << 2 | 1)
    if "email" in facts:
        marks.append(crc32(facts["email"].encode()) << 2 | 2)
    if "customer_id" in facts:
        marks.append(crc32(facts["customer_id"].encode()) << 2 | 3)
    return frozenset(marks)


def _party(lead: LeadIn, facts: Mapping[str, str], rules: MatchRules) -> frozenset[int]:
    """The mark of who comes with a declared id. People of one company count once: an account may have many."""
    email = facts.get("email", "")
    domain = email.rpartition("@")[2]
    own_domain = domain if domain and not rules.excludes("email_domain", domain) else None
    party = lead.company or own_domain or facts.get("phone") or email or lead.name
    return frozenset((crc32(_one_spelling(party).encode()) << 2,)) if party else _NOBODY


def _companies(tie: Tie, lead: LeadIn) -> frozenset[int]:
    """A domain is shared when companies are many: people of one company are meant to be tied."""
    if tie != ("email_domain",) or not lead.company:
        return _NOBODY
    return frozenset((crc32(_one_spelling(lead.company).encode()) << 2,))


def people_of(marks: Iterable[int]) -> int:
    """How many different people these marks show at least: the most names, or phones, or e-mail addresses, or ids."""
    return max(Counter(mark & 3 for mark in marks).values(), default=0)


class Overlap(NamedTuple):
    """The lead at this place belongs to a customer, and has a contact of another one: `value` of this `kind`."""

    place: int
    customer: int
    kind: str
    value: str
    other: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """`customers`: one per lead, None = no key that ties.

    Of every key of the batch `keys` has the customer (None = nobody yet) and `people` the marks; `shared` has the
    texts of those that are not used. Customers that are new have the numbers -1 … -`new`, until `numbered` gives them
    their own. `overlaps` are leads with contacts of two customers.
    """

    customers: tuple[int | None, ...]
    keys: Mapping[str, int | None]
    people: Mapping[str, frozenset[int]]
    shared: Mapping[str, str]
    new: int
    overlaps: tuple[Overlap, ...] = ()

    def numbered(self, ids: Sequence[int]) -> "Resolution":
        """With `ids[0]` for customer -1 and so on; takes `new` ids and ignores the rest."""
        customers = tuple([ids[-c - 1] if c is not None and c < 0 else c for c in self.customers])
        keys = {key: ids[-c - 1] if c is not None and c < 0 else c for key, c in self.keys.items()}

        def number(c: int) -> int:
            return ids[-c - 1] if c < 0 else c

        overlaps = [one._replace(customer=number(one.customer), other=number(one.other)) for one in self.overlaps]
        return Resolution(customers, keys, self.people, self.shared, 0, tuple(overlaps))

    def known(self, name: str) -> Known:
        """What is known of one of the keys now."""
        return Known(self.keys[name], self.people[name], self.shared.get(name))


def resolve(leads: Sequence[tuple[Key, ...]], known: Mapping[str, Known], shared_above: int = 5) -> Resolution:
    """The customer of each lead, in order: that of its first known key; its other keys become theirs too.

    `leads` are the keys of each lead, in precedence; `known` the keys that are stored. A key keeps its customer: a
    lead with keys of two customers belongs to the one that its first known key names. The batch's people are counted
    before its leads are tied, so inside a batch it does not matter who came first.
    """
    people = _tally(leads, known, shared_above)
    shared = _shared(leads, people, shared_above)
    owner = {name: key.customer for name, key in known.items() if key.customer is not None and name not in shared}
    customers: list[int | None] = []
    overlaps: list[Overlap] = []
    new = 0
    for keys in leads:
        names = [key[0] for key in keys if key[0] not in shared] if shared else [key[0] for key in keys]
        customer = None
        for name in names:
            if name in owner:
                customer = owner[name]
                break
        if customer is None and names:
            new += 1
            customer = -new
        for name in names:
            if (other := owner.setdefault(name, customer or 0)) != customer and customer is not None:
                key = next(one for one in keys if one.name == name)
                overlaps.append(Overlap(len(customers), customer, key.kind, key.value, other))
        customers.append(customer)
    now: dict[str, int | None] = {name: owner[name] for name in people if name not in shared}
    now |= {name: known[name].customer if name in known else None for name in shared}
    return Resolution(tuple(customers), now, people, shared, new, tuple(overlaps))


def _tally(
    leads: Iterable[tuple[Key, ...]], known: Mapping[str, Known], shared_above: int
) -> dict[str, frozenset[int]]:
    """The people of every key. Of a shared key only as many are kept as prove it."""
    tally: dict[str, frozenset[int]] = {}
    full = {name for name, key in known.items() if is_shared(key.people, shared_above)}
    for keys in leads:
        for name, _, _, people in keys:
            before = tally.get(name)
            if before is None:
                stored = known.get(name)
                tally[name] = people if stored is None else stored.people if name in full else stored.people | people
            elif before is not people and name not in full:
                tally[name] = before | people
    for name, people in tally.items():
        if len(people) > shared_above and name not in full:
            tally[name] = _enough(people, shared_above)
    return tally


class SharedKey(NamedTuple):
    """A key that is not used any more from now on: its text, and how many people have it at least."""

    key: str
    people: int


def newly_shared(found: Resolution, known: Mapping[str, Known]) -> list[SharedKey]:
    """The keys that a batch showed to be shared."""
    before = {name for name, key in known.items() if key.shared_as is not None}
    return [SharedKey(text, people_of(found.people[name])) for name, text in found.shared.items() if name not in before]


def _shared(leads: Iterable[tuple[Key, ...]], tally: Mapping[str, frozenset[int]], shared_above: int) -> dict[str, str]:
    """The texts of the keys that too many people have."""
    names = {name for name, people in tally.items() if is_shared(people, shared_above)}
    if not names:
        return {}
    return {key.name: f"{key.kind} {key.value}" for keys in leads for key in keys if key.name in names}


def is_shared(people: frozenset[int], shared_above: int) -> bool:
    """Whether so many people came with a key that it is not used."""
    return len(people) > shared_above and people_of(people) > shared_above


def _enough(people: frozenset[int], shared_above: int) -> frozenset[int]:
    """Of every kind of mark the lowest ones, one more than is allowed; so that order does not matter."""
    kept: list[int] = []
    for witness in range(4):
        kept += sorted(mark for mark in people if mark & 3 == witness)[: shared_above + 1]
    return frozenset(kept)
