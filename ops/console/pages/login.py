"""Logging in with a token and out again; language and theme."""

import secrets
from time import time

from aiohttp import web

from ops.console.same_origin import local_path
from ops.console.session import COOKIE, Session
from ops.console.view import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, View
from ops.text.translation import LOCALES
from router.domain.access import Permission, Token, TokenKey, parse_token
from router.http.problems import Kind, Refused
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_YEAR_S = 365 * 86_400


async def show(view: View) -> web.Response:
    """The form."""
    if view.session is not None:
        return view.go(local_path(view.query.get("back", "/")))
    return view.render("login.html", problem=None, back=local_path(view.query.get("back", "/")))


async def log_in(view: View) -> web.Response:
    """With a token that holds and may read."""
    back = local_path(view.form.get("back", "/"))
    shown = parse_token(view.form.get("token", "").strip())
    problem = view.say.gettext("This is not a token: a token begins with lr_.")
    if shown is not None:
        try:
            token = await view.shared.access.token_with(shown.key, view.request.remote)
        except Refused as refused:
            if refused.kind is not Kind.NO_TOKEN:
                raise
            problem = view.say.gettext("This token is unknown, revoked or expired.")
        else:
            if token.may(Permission.LOOK):
                return _logged_in(view, token, back)
            problem = view.say.gettext("This token is for handing in leads only: it may not read.")
    return view.render("login.html", Kind.NO_TOKEN.status, problem=problem, back=back)


def _logged_in(view: View, token: Token, back: str) -> web.Response:
    seconds = int(view.shared.settings.session_h * 3_600)
    session = Session(
        TokenKey(token.tenant_id, token.token_id, token.hash), secrets.token_urlsafe(16), int(time()) + seconds
    )
    response = view.go(back)
    view.cookie(response, COOKIE, view.shared.sessions.written(session), seconds)
    log.info("console login", token=token.token_id, role=token.role.value, remote=view.request.remote)
    return response


async def log_out(view: View) -> web.Response:
    """Forgets the login in this browser."""
    response = view.go("/login")
    response.del_cookie(COOKIE, path="/")
    return response


async def prefer(view: View) -> web.Response:
    """Keeps a language or a theme, and goes back."""
    response = view.go(local_path(view.query.get("back", "/")))
    if (language := view.query.get("language")) in LOCALES:
        view.cookie(response, LANGUAGE_COOKIE, str(language), _YEAR_S)
    if (theme := view.query.get("theme")) in THEMES:
        view.cookie(response, THEME_COOKIE, str(theme), _YEAR_S)
    return response
