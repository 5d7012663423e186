"""What leads look like when they are handed in, and what is answered."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

_Id = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
_Fact = Annotated[str, Meta(max_length=2_000)] | int | None
_Text = Annotated[str, Meta(max_length=10_000)] | int | None
MAX_PRIORITY = 1_000_000


class LeadBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lead. Fields of your own belong in `attributes`."""

    external_id: Annotated[
        _Id | int,
        Meta(description="Your id of the lead. With `source` it says which lead this is: the same again is a repeat."),
    ]
    source: Annotated[
        str, Meta(description="Where it came from, such as google or fair.", min_length=1, max_length=255)
    ]
    created_at: Annotated[
        str | None,
        Meta(
            description="When it was created, with an offset; at most 24 hours ahead. None = now.",
            examples=["2026-03-02T09:30:00+08:00"],
        ),
    ] = None
    name: _Text = None
    phone: Annotated[
        _Text, Meta(description="Any spelling. A national number is one of the region in the tenant's rules.")
    ] = None
    email: _Text = None
    company: _Text = None
    customer_id: Annotated[
        Annotated[str, Meta(max_length=255)] | int | None, Meta(description="Your own id of the customer.")
    ] = None
    region: _Fact = None
    industry: _Fact = None
    product: _Fact = None
    campaign: _Fact = None
    ad_id: _Fact = None
    landing_page: _Fact = None
    priority: Annotated[
        Annotated[int, Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] | str | None,
        Meta(description="Higher is sooner; 0 if not given."),
    ] = None
    attributes: Annotated[
        dict[str, Any] | None,
        Meta(description="Free JSON, at most 100,000 characters; rules ask for it by name (`attributes.budget`)."),
    ] = None


class LeadAnswer(msgspec.Struct, frozen=True):
    """The lead is stored durably."""

    id: Annotated[int | None, Meta(description="Its number; null while it is only in the journal.")]
    source: str
    external_id: str
    state: Annotated[str, Meta(description="Where it is: waiting, assigned, parked, merged, closed, journalled.")]
    duplicate: Annotated[bool, Meta(description="It was there before; the lead that was stored first stays as it is.")]
    differing: Annotated[list[str], Meta(description="Fields in which a duplicate differs from what is stored.")]
    merged_into: Annotated[int | None, Meta(description="The earlier lead that it repeats.")]


class LineError(msgspec.Struct, frozen=True):
    """One value that is wrong in one lead of a batch."""

    line: Annotated[int, Meta(description="Which lead, from 1: the line, or the place in the array.")]
    pointer: Annotated[str, Meta(description="JSON Pointer (RFC 6901) within the lead; empty = all of it.")]
    reason: str


class LineDifference(msgspec.Struct, frozen=True):
    """A lead that was there before and says something else now; what was stored first stays."""

    line: int
    id: int | None
    source: str
    external_id: str
    differing: list[str]


class LineAnswer(msgspec.Struct, frozen=True):
    """One lead of a batch that is stored."""

    line: int
    id: int | None
    source: str
    external_id: str
    state: str
    duplicate: bool


class BatchAnswer(msgspec.Struct, frozen=True):
    """What became of the leads of a batch: `lines` = `stored` + `refused`. What is stored is durable."""

    lines: int
    stored: int
    duplicates: Annotated[int, Meta(description="Part of stored: were there before.")]
    differing: Annotated[int, Meta(description="Part of duplicates: say something else than what is stored.")]
    merged: Annotated[int, Meta(description="Part of stored: repeat an earlier lead of the customer.")]
    parked: Annotated[int, Meta(description="Part of stored: a person has to look at them.")]
    refused: int
    errors: Annotated[list[LineError], Meta(description="What is wrong with the first 1,000 refused leads.")]
    differences: Annotated[list[LineDifference], Meta(description="The first 1,000 leads that differ.")]
    leads: Annotated[list[LineAnswer], Meta(description="All that are stored, with ?verbose=true.")] = []


class BatchRefused(BatchAnswer, frozen=True, kw_only=True):
    """No lead of the batch was taken: a problem (RFC 9457) with the counts of a batch."""

    type: str
    title: str
    status: int
    detail: str
