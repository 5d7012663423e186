"""Presence over HTTP: a rep's heartbeat, as `lead-router reps present` sends it."""

from functools import partial

import msgspec

from ops.api.means import Means
from ops.api.own import check_own_rep
from ops.api.refusals import refusals
from ops.documents.presence import NoPresence, PresenceUnknown, tell_presence
from router.domain.access import Permission
from router.domain.worded import said_by
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused, busy
from router.store.roster import current_rep


class PresenceDocument(msgspec.Struct, frozen=True):
    """Whether a rep is present now, and for how many seconds that counts."""

    rep_id: str
    present: bool
    seconds: float | None


def operations(means: Means) -> list[Operation]:
    """Of presence."""
    return [
        Operation(
            id="rep_present",
            method="POST",
            path="/v1/reps/{rep}/presence",
            summary="A rep is present: repeat it before its seconds are over",
            description="A rep's token says so of its own rep only. The rules must ask for presence.",
            handler=partial(_tell, means, away=False),
            answers={200: PresenceDocument},
            permission=Permission.ATTEND,
            tag="reps",
        ),
        Operation(
            id="rep_away",
            method="DELETE",
            path="/v1/reps/{rep}/presence",
            summary="A rep leaves: no longer present, at once",
            handler=partial(_tell, means, away=True),
            answers={200: PresenceDocument},
            permission=Permission.ATTEND,
            tag="reps",
        ),
    ]


async def _tell(means: Means, call: Call, *, away: bool) -> Answer:
    rep_id = call.path["rep"]
    check_own_rep(call, rep_id)
    with refusals(call):
        async with call.connection() as conn:
            await current_rep(conn, call.tenant.tenant_id, rep_id)
            try:
                seconds = await tell_presence(conn, means.redis_url, call.tenant, rep_id, away=away)
            except NoPresence as error:
                raise Refused(Kind.CONFLICT, said_by(error)) from error
            except PresenceUnknown as error:
                raise busy(said_by(error)) from error
    return Answer(PresenceDocument(rep_id, not away, None if away else seconds))
