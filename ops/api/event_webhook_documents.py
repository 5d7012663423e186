"""Webhooks that events are delivered to, as the API shows and takes them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import Json, Moment, Seconds
from router.outbox.addresses import MAX_URL

_DAY_S = 86_400
_Note = Annotated[str, Meta(max_length=1000)]
_CursorText = Annotated[str, Meta(max_length=40, description="`oldest`, `newest`, or the cursor of an event")]


class EventWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that events are delivered to, and how it fares. The URL is shown by its beginning only."""

    webhook: int
    tenant: str
    url: str
    types: Annotated[list[str] | None, Meta(description="null = all")]
    state: Annotated[str, Meta(description="works, failing or disabled")]
    enabled: bool
    disabled_why: str | None
    cursor: str
    behind_s: float | None
    delivered: int
    delivered_at: Moment | None
    failures: int
    failing_since: Moment | None
    last_error: str | None
    waiting: int
    dead: int
    missed_upto: int | None
    secrets: int
    allow_private: bool
    note: str


class UndeliveredEvents(msgspec.Struct, frozen=True):
    """How many events happened between so many seconds ago (null = longer ago than that), and were not delivered."""

    from_s: float
    to_s: float | None
    events: int


class EventWebhookShown(EventWebhook, frozen=True, kw_only=True):
    """A webhook, and how many events it has not got yet, by age; `all_counted` false = at least so many."""

    undelivered: list[UndeliveredEvents]
    all_counted: bool


class EventWebhookList(msgspec.Struct, frozen=True):
    """All of the tenant's."""

    webhooks: list[EventWebhook]


class EventWebhookWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook to be added. `secret` null = a new one, which is shown once."""

    url: Annotated[str, Meta(min_length=1, max_length=MAX_URL, examples=["https://crm.example.com/hooks/leads"])]
    types: Annotated[Annotated[list[str], Meta(max_length=100)] | None, Meta(description="null = all")] = None
    after: _CursorText = "newest"
    allow_private: Annotated[
        bool, Meta(description="It may lead to a private address; needs a token that is for all tenants")
    ] = False
    secret: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    note: _Note = ""


class EventWebhookSecret(msgspec.Struct, frozen=True):
    """The secret is shown this once; null = the one that was given. Earlier ones sign beside it until a time."""

    webhook: int
    secret: str | None
    earlier_secrets_until: Moment | None


class EventWebhookAdded(EventWebhookSecret, frozen=True, kw_only=True):
    """A webhook that was added."""

    warning: Annotated[str | None, Meta(description="That its host cannot be looked up right now; null = it can")]


class Rotation(msgspec.Struct, frozen=True):
    """How secrets change."""

    overlap_s: Annotated[Seconds, Meta(description="So long the earlier secrets sign beside the new one")] = _DAY_S
    why: _Note = ""


class Enabling(msgspec.Struct, frozen=True):
    """Where deliveries go on; null = where they stopped."""

    after: _CursorText | None = None
    why: _Note = ""


class Disabling(msgspec.Struct, frozen=True):
    """Why nothing more is delivered."""

    why: _Note = ""


class EventWebhookTried(msgspec.Struct, frozen=True):
    """What became of the test event."""

    webhook: int
    ok: bool
    error: str | None
    id: str


class Redelivery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: `ids`, all `dead` ones, or those `after` a cursor, up to another one. One of the three."""

    ids: Annotated[list[Annotated[str, Meta(max_length=60)]], Meta(max_length=10_000)] = []
    dead: bool = False
    after: _CursorText | None = None
    until: Annotated[str, Meta(max_length=40)] | None = None
    why: _Note = ""


class Redelivered(msgspec.Struct, frozen=True):
    """How many events will be delivered again; how many are `gone`, past their retention, and how many ids are
    `unknown`.
    """

    webhook: int
    events: int
    gone: int
    unknown: int


class DeadQuery(msgspec.Struct, frozen=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=10_000, description="The latest so many")] = 100


class DeadEvents(msgspec.Struct, frozen=True):
    """Events that were given up, the latest first."""

    webhook: int
    dead: list[Json]
