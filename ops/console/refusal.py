"""Every error as a page that says what happened and what to do."""

from collections.abc import Mapping

from aiohttp import web

from ops.api.ids import UnknownId
from ops.console.in_language import detail_in
from ops.console.view import View
from ops.text.translation import N_
from router.domain.worded import worded
from router.http.problems import Kind, Refused, busy, of_aiohttp
from router.store.errors import TRANSIENT_ERRORS
from router.store.roster import RepUnknown
from router.telemetry.logs import get_logger

log = get_logger(__name__)

TITLES: Mapping[Kind, str] = {
    Kind.BAD_REQUEST: N_("The request cannot be read"),
    Kind.NO_TOKEN: N_("A valid token is needed"),
    Kind.NOT_ALLOWED: N_("This token may not do that"),
    Kind.WRONG_ORIGIN: N_("This form is not from a page of this login"),
    Kind.NOT_FOUND: N_("There is no such page or thing"),
    Kind.WRONG_METHOD: N_("There is no such page or thing"),
    Kind.CONFLICT: N_("It is not in a state for this"),
    Kind.ELSEWHERE: N_("Another instance has it"),
    Kind.GONE: N_("It is not kept any more"),
    Kind.TOO_SLOW: N_("The form did not arrive in time"),
    Kind.TOO_LARGE: N_("The form is too large"),
    Kind.INVALID: N_("Some values are wrong"),
    Kind.TOO_MANY: N_("Too many requests"),
    Kind.FAULT: N_("A fault of this service"),
    Kind.BUSY: N_("Not now: the service or its database is busy or away"),
}


_NO_PAGE = N_("nothing is at this address; the menu has all pages")
_NO_REP = N_("there is no such rep; Groups & reps shows who there is")
_NO_WHY = N_("say why: the reason is recorded with it")


class Said(Refused):
    """One whose detail is in the language of the page."""

    translated = True


def why_of(view: View) -> str:
    """The reason that a form gives. Raises Refused where it is empty."""
    why = view.form.get("why", "").strip()
    if not why:
        raise Said(Kind.INVALID, view.say.gettext(_NO_WHY))
    return why[:1_000]


def error_page(view: View, error: Exception) -> web.Response:
    """The page; what nobody expected is logged, and not shown."""
    refused = refusal_of(view, error)
    title = TITLES.get(refused.kind, TITLES[Kind.BAD_REQUEST])
    response = view.render(
        "error.html",
        refused.kind.status,
        title=view.say.gettext(title),
        detail=detail_in(refused, view.say),
    )
    for name in ("Retry-After", "Allow"):
        if name in refused.headers:
            response.headers[name] = refused.headers[name]
    return response


def refusal_of(view: View, error: Exception) -> Refused:
    """What a page says of an error; what nobody expected is logged."""
    return _in_own_words(view, as_refused(view.request, error), error)


def _in_own_words(view: View, refused: Refused, error: Exception) -> Refused:
    """Without the commands and addresses that are for users of the API and of the command line."""
    if isinstance(error, web.HTTPNotFound):
        return Said(refused.kind, view.say.gettext(_NO_PAGE), headers=refused.headers)
    said = refused.why if isinstance(refused, UnknownId) else refused.detail
    if isinstance(refused.__cause__, RepUnknown) and "lead-router" in said:
        return Said(refused.kind, view.say.gettext(_NO_REP), headers=refused.headers)
    return refused


def as_refused(request: web.Request, error: Exception) -> Refused:
    """What the error says to people."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, web.HTTPException):
        return of_aiohttp(error)
    if isinstance(error, (*TRANSIENT_ERRORS, TimeoutError)):
        return busy(
            worded("the database is busy or away ({error}); lead-router doctor says more", error=type(error).__name__)
        )
    log.error("console page failed", method=request.method, exc_info=error)
    return Refused(Kind.FAULT, worded("this is a fault of lead-router; its log has the cause"))
