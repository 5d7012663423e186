"""Errors as answers: `application/problem+json` (RFC 9457), one closed list of kinds, a pointer to each wrong field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    title: str


class Kind(Enum):
    """All kinds of problems; the name is the anchor on the page of problems."""

    BAD_REQUEST = _Kind(400, "The request cannot be read")
    NO_TOKEN = _Kind(401, "A valid token is needed")
    BAD_SIGNATURE = _Kind(401, "The signature does not hold")
    NOT_ALLOWED = _Kind(403, "This token may not do that")
    WRONG_ORIGIN = _Kind(403, "Pages of this origin may not post here")
    NOT_FOUND = _Kind(404, "There is no such thing")
    WRONG_METHOD = _Kind(405, "This address has no such method")
    TOO_SLOW = _Kind(408, "The request did not arrive in time")
    CONFLICT = _Kind(409, "It is not in a state for this")
    STILL_RUNNING = _Kind(409, "The first request with this key is still being worked on")
    GONE = _Kind(410, "It is not kept any more")
    TOO_LARGE = _Kind(413, "The body is too large")
    ELSEWHERE = _Kind(421, "Another instance has it")
    WRONG_MEDIA_TYPE = _Kind(415, "This kind of body is not taken here")
    INVALID = _Kind(422, "Some values are wrong")
    KEY_USED = _Kind(422, "This key was used for another request")
    TOO_MANY = _Kind(429, "Too many requests")
    FAULT = _Kind(500, "A fault of this service")
    BUSY = _Kind(503, "Not now: the service or its database is busy or away")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value.status

    @property
    def anchor(self) -> str:
        """Where it stands in docs/api.md."""
        return f"problem-{self.name.lower().replace('_', '-')}"

    @property
    def uri(self) -> str:
        """What the answer names as its type."""
        return f"urn:lead-router:{self.anchor}"


class FieldProblem(msgspec.Struct, frozen=True):
    """One value that is wrong."""

    pointer: Annotated[str, Meta(description="JSON Pointer (RFC 6901) to it in the body, or ?name of the query")]
    reason: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


class Refused(Exception):
    """The request ends with this problem. `members` are what it says beside what all problems say."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.members = members
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The answer. What the client sent is quoted with care: it may hold what JSON cannot."""
        kind = self.kind
        problem = Problem(
            kind.uri, kind.value.title, kind.status, sendable(self.detail), [_cleaned(e) for e in self.errors]
        )
        whole = {**msgspec.to_builtins(problem), **self.members} if self.members else problem
        body = msgspec.json.encode(whole)
        return web.Response(status=kind.status, body=body, content_type=MEDIA_TYPE, headers=self.headers)


def busy(detail: str, retry_after_s: int = 1) -> Refused:
    """Not now, and when to come again."""
    return Refused(Kind.BUSY, detail, headers={"Retry-After": str(max(1, retry_after_s))})


def of_aiohttp(error: web.HTTPException) -> Refused:
    """What aiohttp itself refuses: unknown addresses and methods, bodies that are too long or broken."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Refused(Kind.WRONG_METHOD, f"allowed here: {allowed}", headers={"Allow": allowed})
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Refused(Kind.TOO_LARGE, "the body is longer than this operation takes")
    if error.status == web.HTTPNotFound.status_code:
        return Refused(Kind.NOT_FOUND, "nothing is at this address; /openapi.json has all that there are")
    return Refused(Kind.BAD_REQUEST, error.reason)


def pointer_to(*path: object) -> str:
    """A JSON Pointer (RFC 6901) of keys and places."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _cleaned(error: FieldProblem) -> FieldProblem:
    return FieldProblem(sendable(error.pointer), sendable(error.reason))


def sendable(text: str) -> str:
    """The text without lone surrogates, which cannot be sent."""
    return text.encode("utf-8", "backslashreplace").decode()
