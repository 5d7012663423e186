"""The ids in addresses: what each looks like, and where it is found, for people who typed or guessed one."""

from dataclasses import dataclass

from ops.text.translation import N_
from router.domain.worded import worded
from router.http.problems import Kind, Refused

LONGEST_NUMBER = 15
"""Digits: larger ones are numbers of nothing."""


@dataclass(frozen=True, slots=True)
class IdKind:
    """`what` it is called, an `example`, and where users of the API find it; what pages say in its place (None = the
    same).
    """

    what: str
    example: str
    found: str
    on_pages: str | None = None


LEAD = IdKind(
    worded("lead number"),
    "4711",
    "a lead's number is its lead_id in lists and events; GET /v1/leads?source=SOURCE&external_id=ID finds the lead by "
    "the id that it was handed in with",
    N_(
        "there is no such lead: the address of a lead has its number, such as 4711; the search of the page Leads finds "
        "it by its external id, phone or e-mail, too"
    ),
)
LEAD_OF_REP = IdKind(
    LEAD.what, LEAD.example, LEAD.found, N_("there is no such lead among yours; the page My leads lists them")
)
BATCH = IdKind(
    worded("batch"),
    "12",
    "GET /v1/leads/{lead}/why names the batch of each decision",
    N_("there is no such batch: it is a number, such as 12, as in the timeline of a lead"),
)
IMPORT = IdKind(
    worded("import"),
    "12",
    "GET /v1/imports lists them",
    N_("there is no such import: it is a number, such as 12; the page Imports lists them"),
)
WEBHOOK = IdKind(
    worded("webhook"),
    "1",
    "GET /v1/event-webhooks lists them",
    N_("there is no such endpoint: it is a number, such as 1; the page Events lists them"),
)
EVENT = IdKind(
    worded("event"),
    "evt_1042_17",
    "GET /v1/events:latest lists the last ones; older ones are removed (events.retention_days)",
    N_(
        "there is no such event, or it is not kept any more: its id looks like evt_1042_17; the page Events lists the "
        "last ones"
    ),
)
RULES_VERSION = IdKind(
    worded("version of the rules"),
    "3",
    "GET /v1/rulesets lists them",
    N_("there is no such version of the rules: it is a number, such as 3; the page Rules lists them"),
)
ROSTER_VERSION = IdKind(worded("version of the roster"), "3", "GET /v1/rosters lists them")
CUSTOMER = IdKind(
    worded("customer number"), "12", "GET /v1/customers/{customer} finds it by a phone or an e-mail address, too"
)
MERGE = IdKind(worded("merge"), "5", "GET /v1/customers/{customer} lists the merges of a customer")
PROCESS = IdKind(worded("process"), "23654", "GET /v1/blockers lists the processes that block us")
TOKEN = IdKind(worded("token"), "f00795c7", "GET /v1/tokens lists them")
REP = IdKind(worded("rep"), "r017", "GET /v1/reps lists them")


class UnknownId(Refused):
    """What an address names is not there, and `why`; `id_kind` says what it should have been."""

    def __init__(self, id_kind: IdKind, why: str) -> None:
        super().__init__(Kind.NOT_FOUND, f"{why}; {id_kind.found}")
        self.id_kind, self.why = id_kind, why


def number_of(text: str, id_kind: IdKind) -> int:
    """A number in an address. Raises UnknownId: what is not a number is not there."""
    if text.isascii() and text.isdecimal():
        if len(text) <= LONGEST_NUMBER:
            return int(text)
        raise not_there(id_kind, text[:40])
    raise UnknownId(
        id_kind,
        worded(
            "{text!r} is not a valid {what}: it is a number, such as {example}",
            text=text[:40],
            what=id_kind.what,
            example=id_kind.example,
        ),
    )


def not_there(id_kind: IdKind, named: object, why: str | None = None) -> UnknownId:
    """For one that has the right form; `why` = what is known of it (None = that there is none)."""
    return UnknownId(id_kind, why or worded("there is no {what} {named}", what=id_kind.what, named=named))
