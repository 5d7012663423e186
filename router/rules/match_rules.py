"""How a tenant's leads are matched to customers, and what is ignored. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from router.rules.document import At, Reader, Wrong, read_top, top_of
from router.rules.free_mail import FREE_MAIL
from router.rules.reader import items, mapping, one_or_many, shorten, text, whole, word

FIELDS = ("customer_id", "phone", "email", "email_domain", "name", "company")
_WEAK = frozenset(("name", "company"))
# Numbers that end so were typed to fill the form, as were those that end in seven equal digits.
_FAKE_TAILS = ("0123456", "1234567", "2345678", "3456789", "4567890", "9876543", "7654321", "6543210", "02030405")
# Numbers of films and examples: 555-01xx and directory assistance in North America, Ofcom's in London.
_FICTION = ("55501", "55512")
_FICTION_OF_LONDON = "+442079460"
_FAKE_MAIL = re.compile(r"(?:no[-._]?reply|do[-._]?not[-._]?reply|none|null|n/?a)@")

Tie = tuple[str, ...]
"""Fields that must all be there, and agree."""


class TieUse(NamedTuple):
    """A tie, the field where it is only one, and the kind of its keys."""

    tie: Tie
    only: str | None
    kind: str


@dataclass(frozen=True)
class MatchRules:
    """How customers are known.

    `match_on` are the ties in their precedence. A phone, e-mail address, customer id or domain with which more than
    `shared_above` different people have come is not used for matching, nor is a value that one of the patterns in
    `ignore` matches (`*` stands for any characters). `free_mail` are free e-mail domains in addition to the built-in
    ones.
    """

    match_on: tuple[Tie, ...] = (("customer_id",), ("phone",), ("email",))
    shared_above: int = 5
    ignore: tuple[str, ...] = ()
    free_mail: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def _excluded(self) -> re.Pattern[str] | None:
        patterns = [translate(pattern.casefold()) for pattern in self.ignore]
        return re.compile("|".join(patterns)) if patterns else None

    @cached_property
    def ties(self) -> tuple[TieUse, ...]:
        """The ties as they are used for each lead."""
        return tuple(TieUse(tie, tie[0] if len(tie) == 1 else None, "+".join(tie)) for tie in self.match_on)

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields that the ties are made of."""
        return frozenset(name for tie in self.match_on for name in tie)

    def excludes(self, kind: str, value: str) -> bool:
        """Whether this value of a field never ties anybody."""
        if kind == "phone":
            fake = value.endswith(_FAKE_TAILS) or value[-7:] == value[-1] * 7 or _is_fiction(value)
        elif kind == "email":
            fake = _FAKE_MAIL.match(value) is not None
        else:
            fake = kind == "email_domain" and (value in FREE_MAIL or value in self.free_mail)
        return fake or (bool(self.ignore) and self._ignores(value))

    def _ignores(self, value: str) -> bool:
        return self._excluded is not None and self._excluded.fullmatch(value.casefold()) is not None


def _is_fiction(phone: str) -> bool:
    return (phone[5:10] in _FICTION and phone[:2] == "+1") or phone.startswith(_FICTION_OF_LONDON)


@lru_cache(maxsize=256)
def parse_match_rules(source: str, file: str = "the match rules") -> MatchRules:
    """The match rules in the YAML text; what it leaves out is as by default. Raises InvalidFile."""
    return MatchRules(**_values(source, file, _READERS))


@lru_cache(maxsize=256)
def parse_stored_match_rules(source: str) -> MatchRules:
    """Match rules that were accepted once, perhaps under the field names of an earlier release."""
    values = _values(source, "the match rules", _READERS | {old: _READERS[new] for old, new in _RENAMED.items()})
    return MatchRules(**{_RENAMED.get(name, name): value for name, value in values.items()})


def _values(source: str, file: str, readers: Mapping[str, Reader[Any]]) -> dict[str, Any]:
    top = top_of(source, file)
    return {} if top is None else read_top(top, lambda at: mapping(at, readers, renamed=_RENAMED))


def _ties(at: At) -> tuple[Tie, ...]:
    ties = [tie for item in items(at) if (tie := item.read(_tie)) is not None]
    if len(set(ties)) < len(ties):
        raise Wrong("names a tie twice")
    return tuple(ties)


def _tie(at: At) -> Tie:
    fields = one_or_many(at, lambda one: word(one, FIELDS))
    if _WEAK.issuperset(fields):
        raise Wrong(f"{' and '.join(fields)} alone would tie strangers; add phone, email or email_domain")
    return tuple(name for name in FIELDS if name in fields)


def _patterns(at: At) -> tuple[str, ...]:
    return tuple(one_or_many(at, _pattern))


def _pattern(at: At) -> str:
    pattern = text(at)
    if not pattern.strip("*?"):
        raise Wrong(f"{shorten(pattern)} would ignore every value")
    return pattern


def _domains(at: At) -> frozenset[str]:
    return frozenset(domain.casefold() for domain in one_or_many(at, text))


_READERS: dict[str, Reader[Any]] = {
    "match_on": _ties,
    "shared_above": whole(1, 1000),
    "ignore": _patterns,
    "free_mail": _domains,
}
_RENAMED = {"tie_by": "match_on", "most_people": "shared_above", "ties_nobody": "ignore"}
