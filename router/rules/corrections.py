"""What of a stored lead a row of a file would correct. Pure."""

from typing import Any

import msgspec

from router.domain.lead_in import LeadIn
from router.rules.differences import differing, facts_of
from router.rules.repeats import OFF
from router.rules.spelling import SPELLED, Spellings

TIES = ("name", "phone", "email", "company", "customer_id")
"""Fields that say who somebody is."""
_ENQUIRY = (*TIES, "created_at", "product", "repeats")


def corrected_fields(says: LeadIn, said: LeadIn, words: Spellings) -> tuple[str, ...]:
    """The fields, by the names that files use, in which a row differs from the stored lead.

    What a lead was merged by counts as the field `repeats`; a lead that a person unmerged stays so.
    """
    fields = list(differing(facts_of(spelled(says, words)), facts_of(spelled(said, words))))
    if says.priority != said.priority:
        fields.append("priority")
    if _json(says.attributes) != _json(said.attributes):
        fields.append("attributes")
    if said.enquiry not in (says.enquiry, OFF):
        fields.append("repeats")
    return tuple(fields)


def spelled(lead: LeadIn, words: Spellings) -> LeadIn:
    """The lead with the words of the tenant's table, which may be younger than the lead."""
    values: dict[str, Any] = {
        name: words.spelled(name, value) for name in SPELLED if name != "source" and (value := getattr(lead, name))
    }
    return lead._replace(**values) if values else lead


def as_corrected(says: LeadIn, said: LeadIn) -> LeadIn:
    """What is stored then: a row without a time leaves that as it is."""
    enquiry = OFF if said.enquiry == OFF else says.enquiry
    return says._replace(created_at=says.created_at or said.created_at, enquiry=enquiry)


def changes_who(fields: tuple[str, ...]) -> bool:
    """Whether the lead may be another customer's then."""
    return not set(TIES).isdisjoint(fields)


def changes_repeats(fields: tuple[str, ...]) -> bool:
    """Whether the lead may repeat another one then."""
    return not set(_ENQUIRY).isdisjoint(fields)


def _json(text: str | None) -> object:
    return None if text is None else msgspec.json.decode(text)
