"""A lead as it arrives: normalised, not stored yet."""

from datetime import datetime
from typing import NamedTuple


class LeadIn(NamedTuple):
    """What intake hands to the store; the fields are those of the table `lead`.

    `source` is empty where none is known. `created_at` is aware; None = the moment at which it is accepted.
    `phone` is E.164 and `email` lower case, unless `malformed` names them: then they are kept as they came and
    say nothing about who the customer is. `declared_customer` is the CRM's own customer id, which says nothing where
    `malformed` names `customer_id`. `attributes` is a JSON object as text. `invalid` says why nobody can work on the
    lead: it is accepted, and parked at once. `enquiry` is what repeats of it are told by (router.rules.repeats): None =
    all that says who asks for what.
    """

    source: str
    external_id: str
    created_at: datetime | None = None
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
    attributes: str | None = None
    malformed: frozenset[str] = frozenset()
    invalid: str | None = None
    enquiry: str | None = None
