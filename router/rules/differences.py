"""Leads that are handed in again and differ: an edited row, or two people with one id. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from router.domain.lead_in import LeadIn
from router.rules.spelling import SPELLED, Spellings

COMPARED = (
    *("created_at", "name", "phone", "email", "company", "customer_id", "region", "industry", "product"),
    *("campaign", "ad_id", "landing_page"),
)
"""What is compared, by the names that files use. Priority and attributes change from export to export."""

Facts = tuple[Any, ...]
"""The values of COMPARED."""


class Again(NamedTuple):
    """A lead that was there before: its place in the batch from 0, what it says now, and what it said at first."""

    place: int
    says: Facts
    said: Facts


class Difference(NamedTuple):
    """The lead at this place of the batch was there before, with other values in these of COMPARED."""

    place: int
    fields: tuple[str, ...]


def facts_of(lead: LeadIn) -> Facts:
    return lead[2:14]


def alike(says: Facts, said: Facts) -> bool:
    """Whether nothing differs at all. A lead that states no time took that of its acceptance."""
    return says == said or (says[0] is None and says[1:] == said[1:])


def differing(says: Facts, said: Facts) -> tuple[str, ...]:
    """Which of COMPARED are not what they were. What is gone differs too, but for a time."""
    pairs = zip(COMPARED, says, said, strict=True)
    return tuple(name for name, now, was in pairs if now != was and not (name == "created_at" and now is None))


def find_differences(again: Sequence[Again], words: Spellings) -> list[Difference]:
    """Those that differ. What `words` spells alike is alike: the table may be younger than the lead."""
    found = (Difference(one.place, differing(_spelled(one.says, words), _spelled(one.said, words))) for one in again)
    return [one for one in found if one.fields]


def _spelled(facts: Facts, words: Spellings) -> Facts:
    pairs = zip(COMPARED, facts, strict=True)
    return tuple(words.spelled(name, value) if name in SPELLED and value else value for name, value in pairs)
