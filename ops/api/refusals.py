"""What the functions behind operations raise, as problems: nothing that a caller can cause is a fault of ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ops.api.ids import LEAD, REP, TOKEN, WEBHOOK, IdKind, not_there
from ops.api.personal import words_for
from router.domain.access import Permission
from router.domain.clocks import ClockDisputed
from router.domain.worded import said_by, worded
from router.domain.worded_phrases import placed
from router.http.operations import Call
from router.http.problems import FieldProblem, Kind, Refused, busy
from router.manual.assign import CannotGive
from router.manual.merge_customers import CannotMerge
from router.manual.unmerge_lead import CannotUnmerge
from router.rules.file import RulesError, ZoneDiffers
from router.rules.problems import InvalidFile
from router.store.assignments import LeadUnknown, NotAssigned
from router.store.customer_merges import CustomerUnknown
from router.store.errors import LOCK_TIMEOUTS, PostgresError, Trouble, trouble_of
from router.store.parking import CannotMove
from router.store.roster import NobodyLeft, RepUnknown, RosterBusy, RosterVersionUnknown
from router.store.rulesets import RulesBusy, RulesMoved, RulesUnknown
from router.store.sources import SourceExists, SourceKindFixed, SourceUnknown
from router.store.tenants import TenantError, TenantExists, TenantUnknown
from router.store.tokens import TokenUnknown
from router.store.webhooks import WebhookUnknown

_UNKNOWN = (
    LeadUnknown,
    RepUnknown,
    CustomerUnknown,
    RulesUnknown,
    RosterVersionUnknown,
    TenantUnknown,
    TokenUnknown,
    WebhookUnknown,
    SourceUnknown,
)
_ID_KINDS: Mapping[type[Exception], IdKind] = {
    LeadUnknown: LEAD,
    RepUnknown: REP,
    WebhookUnknown: WEBHOOK,
    TokenUnknown: TOKEN,
}
_CONFLICTS = (
    NotAssigned,
    CannotGive,
    CannotMerge,
    CannotMove,
    NobodyLeft,
    CannotUnmerge,
    RosterBusy,
    RulesBusy,
    RulesMoved,
    TenantExists,
    SourceExists,
    SourceKindFixed,
)


_SOMETHING = worded("what this needs")


@contextmanager
def refusals(call: Call, locked: str = _SOMETHING) -> Iterator[None]:
    """`locked` names what somebody else may keep locked. Details say no more than the caller may see."""
    try:
        yield
    except _UNKNOWN as error:
        raise _not_there(call, error) from error
    except _CONFLICTS as error:
        raise Refused(Kind.CONFLICT, words_for(call, said_by(error))) from error
    except (ZoneDiffers, TenantError) as error:
        raise Refused(Kind.INVALID, said_by(error), [FieldProblem("", said_by(error))]) from error
    except InvalidFile as error:
        raise Refused(Kind.INVALID, error.problems[0].said, file_problems(error)) from error
    except LOCK_TIMEOUTS as error:
        raise Refused(
            Kind.CONFLICT, worded("{locked} is locked by another session; nothing changed, try again", locked=locked)
        ) from error
    except ClockDisputed as error:
        raise busy(said_by(error)) from error
    except PostgresError as error:
        if trouble_of(error) is not Trouble.REFUSED_ROW:
            raise
        raise Refused(
            Kind.INVALID, worded("the database cannot take one of the values; nothing was changed")
        ) from error


def _not_there(call: Call, error: Exception) -> Refused:
    """Who may look at all leads of the tenant is shown where the id is found."""
    words = words_for(call, said_by(error))
    # Only of what is really not there: more precise errors say themselves what is to be done.
    id_kind = _ID_KINDS.get(type(error))
    if id_kind is None or not call.token.may(Permission.READ):
        return Refused(Kind.NOT_FOUND, words)
    return not_there(id_kind, "", words)


def file_problems(error: InvalidFile | RulesError) -> list[FieldProblem]:
    """Each with its line, and the field where there is one."""
    return [
        FieldProblem(
            f"line {one.line}" if one.line else "", placed(one.field, one.message) if one.field else one.message
        )
        for one in error.problems
    ]
