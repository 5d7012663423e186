"""The header Idempotency-Key: a quoted string, as structured fields have it, or bare, as most clients send it."""

import re

from aiohttp import web

from router.http.problems import FieldProblem, Kind, Refused

HEADER = "Idempotency-Key"
MAX_KEY = 255
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"(?:[ \t]*;.*)?', re.ASCII)
_BARE = re.compile(r"[!#-~]+", re.ASCII)
_ESCAPED = re.compile(r"\\(.)")


def idempotency_key(request: web.Request) -> str | None:
    """The key, without quotes; None = the request has none. Raises Refused."""
    given = request.headers.getall(HEADER, ())
    if not given:
        return None
    if len(given) > 1:
        raise _refused("is there twice")
    text = given[0].strip()
    if quoted := _QUOTED.fullmatch(text):
        key = _ESCAPED.sub(r"\1", quoted[1])
    elif _BARE.fullmatch(text):
        key = text
    else:
        raise _refused("must be one text of visible ASCII characters, in quotes or not")
    if not 0 < len(key) <= MAX_KEY:
        raise _refused(f"must have 1 to {MAX_KEY} characters")
    return key


def _refused(reason: str) -> Refused:
    return Refused(Kind.BAD_REQUEST, f"the header {HEADER} {reason}", [FieldProblem(HEADER, reason)])
