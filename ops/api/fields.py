"""The types of fields that several operations have, and the parameters of lists."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from router.domain.span import LONGEST
from router.domain.worded import worded
from router.domain.worded_phrases import placed
from router.http.problems import FieldProblem, Kind, Refused

Json = dict[str, Any]
OF_PARTS = "How the sentence is made, for other languages: messages with their values; null = it is not known"
Moment = Annotated[datetime, Meta(tz=True, description="With its offset from UTC")]
Note = Annotated[str, Meta(max_length=1000, description="What the change is for; recorded with it")]
Why = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"\S", description="The reason, recorded with it")]
RepId = Annotated[str, Meta(min_length=1, max_length=200, description="The CRM's id of a rep")]
CustomerNo = Annotated[int, Meta(ge=1, le=2**53 - 1, description="lead-router's number of a customer")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Seconds = Annotated[int, Meta(ge=1, le=int(LONGEST.total_seconds()))]

_FIRST_YEAR, _LAST_YEAR = 1970, 2200


class PageQuery(msgspec.Struct, frozen=True):
    """Which part of a list."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many")] = 100
    after: Annotated[str, Meta(max_length=500, description="`next` of the page before")] | None = None


def check_year(pointer: str, at: datetime | None) -> datetime | None:
    """In UTC, a time around which days can be computed. Raises Refused; `pointer` is where it was given."""
    if at is not None and not _FIRST_YEAR < at.year < _LAST_YEAR:
        raise wrong(pointer, worded("must be between the years {first} and {last}", first=_FIRST_YEAR, last=_LAST_YEAR))
    return None if at is None else at.astimezone(UTC)


def wrong(pointer: str, reason: str) -> Refused:
    """One value that is wrong."""
    return Refused(Kind.INVALID, placed(pointer, reason), [FieldProblem(pointer, reason)])
