"""How the leads of a file would match customers: groups by customer, and suspicious keys. Writes nothing.

It goes the way of the import, batch by batch, with what the database knows and what the file brings. Its memory grows
with the file: about a kilobyte for a lead.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.intake.key_book import FIRST_NEW
from router.intake.lead_import import Taken
from router.rules.customers import Key, Known, Resolution, customer_keys, people_of, resolve
from router.rules.match_rules import MatchRules
from router.store.customers import known_keys
from router.store.leads import Identity, stored_leads
from router.store.statements import Connection

_ONLY_ONE = 1
_LINES = 5
"""Lines that are kept of a key."""
_TIES = 5
"""Keys that are kept of a group."""


@dataclass(slots=True)
class Group:
    """Leads of the file that one customer would have. `tied_by` counts them by the kind of key that matched.

    `customer_id` None = a new customer; `examples` are some of the external ids; `ties` the names of some of the keys
    that matched, with their texts.
    """

    customer_id: int | None
    leads: int = 0
    tied_by: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    ties: dict[str, str] = field(default_factory=dict)


class KeyUse(NamedTuple):
    """A key, how many leads of the file have it, and the lines of the first of them."""

    key: str
    leads: int
    lines: Sequence[int]


class SharedKey(NamedTuple):
    """A key that would not be used: what it is, how many people have it at least, which leads of the file."""

    key: str
    people: int
    leads: int
    lines: Sequence[int]


@dataclass(slots=True)
class Matches:
    """How a file would match. `leads` are its new ones; `without_customer` those of them without a customer."""

    leads: int = 0
    without_customer: int = 0
    groups: dict[int, Group] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)

    def sizes(self) -> dict[int, int]:
        """How many customers would have so many leads of the file."""
        return dict(sorted(Counter(group.leads for group in self.groups.values()).items()))

    def largest(self, limit: int) -> list[Group]:
        """The groups of more than one lead, or of an existing customer, the largest first."""
        matched = [group for group in self.groups.values() if group.leads > _ONLY_ONE or group.customer_id is not None]
        return sorted(matched, key=lambda group: (-group.leads, group.examples))[:limit]


class MatchCheck:
    """The intake that only matches the leads of a file to customers."""

    def __init__(self, conn: Connection, tenant_id: int, rules: MatchRules, examples: int = 3) -> None:
        self._conn = conn
        self._tenant_id = tenant_id
        self._rules = rules
        self._without_exclusions = _without_exclusions(rules)
        self._examples = examples
        self._next = FIRST_NEW
        self._seen: set[Identity] = set()
        self._keys: dict[str, Known] = {}
        self._uses: Counter[str] = Counter()
        self._lines: dict[str, list[int]] = {}
        self.matches = Matches()

    def prepare(self, leads: Sequence[LeadIn]) -> None:
        """Nothing."""

    async def take(self, leads: Sequence[LeadIn], prepared: object = None, lines: Sequence[int] = ()) -> Taken:
        """Counts how the leads would match; those that are stored, or came earlier in the file, are skipped."""
        stored = await stored_leads(self._conn, self._tenant_id, leads)
        fresh, places = [], list[int]()
        for place, lead in enumerate(leads):
            if lead[:2] not in stored and lead[:2] not in self._seen:
                self._seen.add(lead[:2])
                fresh.append(lead)
                places.append(place)
        keys = [customer_keys(lead, self._rules) for lead in fresh]
        known = await self._known(keys)
        found = resolve(keys, known, self._rules.shared_above)
        settled = found.numbered(range(self._next, self._next + found.new))
        self._next += found.new
        self._note_lines(keys, [lines[place] for place in places] if lines else [0] * len(places))
        self._count(fresh, keys, settled, known)
        self._keys |= {name: settled.known(name) for name in settled.keys}
        self.matches.leads += len(fresh)
        overlaps = [one._replace(place=places[one.place]) for one in settled.overlaps]
        parked = sum(lead.invalid is not None for lead in fresh)
        return Taken(len(fresh), len(leads) - len(fresh), None, parked, overlaps=overlaps)

    def shared(self) -> list[SharedKey]:
        """The keys of the file that too many people share, the most used first."""
        found = [
            SharedKey(key.shared_as.replace("\0", " + "), people_of(key.people), self._uses[name], self._lines[name])
            for name, key in self._keys.items()
            if key.shared_as
        ]
        return sorted(found, key=lambda one: (-one.leads, one.key))

    def uses(self, group: Group) -> list[KeyUse]:
        """The keys that tie the leads of a group, the most used first."""
        found = [KeyUse(text, self._uses[name], self._lines[name]) for name, text in group.ties.items()]
        return sorted(found, key=lambda one: (-one.leads, one.key))

    def _note_lines(self, leads: Sequence[tuple[Key, ...]], at: Sequence[int]) -> None:
        for keys, line in zip(leads, at, strict=True):
            for key in keys:
                noted = self._lines.setdefault(key.name, [])
                if len(noted) < _LINES:
                    noted.append(line)

    async def _known(self, leads: Sequence[tuple[Key, ...]]) -> dict[str, Known]:
        names = {key.name for keys in leads for key in keys}
        here = {name: self._keys[name] for name in names & self._keys.keys()}
        return here | await known_keys(self._conn, self._tenant_id, sorted(names - here.keys()))

    def _count(
        self, leads: Sequence[LeadIn], keys: Sequence[tuple[Key, ...]], found: Resolution, known: Mapping[str, Known]
    ) -> None:
        before = set(known)
        for lead, own, customer in zip(leads, keys, found.customers, strict=True):
            self._count_excluded(lead, own)
            self._uses.update(key.name for key in own)
            if customer is None:
                self.matches.without_customer += 1
                continue
            group = self.matches.groups.get(customer)
            if group is None:
                group = self.matches.groups[customer] = Group(customer if customer < FIRST_NEW else None)
            group.leads += 1
            used = [key for key in own if key.name not in found.shared]
            by = next((key for key in used if key.name in before), None)
            if by:
                group.tied_by[by.kind] += 1
                if len(group.ties) < _TIES:
                    group.ties[by.name] = f"{by.kind} {by.value}".replace("\0", " + ")
            if len(group.examples) < self._examples:
                group.examples.append(lead.external_id)
            before.update(key.name for key in used)

    def _count_excluded(self, lead: LeadIn, own: Sequence[Key]) -> None:
        kinds = {key.kind for key in own}
        for key in customer_keys(lead, self._without_exclusions):
            if key.kind not in kinds:
                self.matches.excluded[f"{key.kind} {key.value}".replace("\0", " + ")] += 1


class _NothingExcluded(MatchRules):
    def excludes(self, kind: str, value: str) -> bool:
        return False


def _without_exclusions(rules: MatchRules) -> MatchRules:
    return _NothingExcluded(match_on=rules.match_on, shared_above=rules.shared_above)
