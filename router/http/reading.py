"""What a client sends, as typed values: strict JSON, a query, and a pointer to every value that is wrong.

msgspec stops at the first error, so the fields of an object are judged one by one.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec.structs import FieldInfo

from router.domain.worded import worded
from router.domain.worded_phrases import placed
from router.http.body import read_body
from router.http.problems import FieldProblem, Kind, Refused, pointer_to
from router.intake.json_text import MAX_DEPTH, may_be_too_deep, read_json, read_json_quickly, too_deep

T = TypeVar("T", bound=msgspec.Struct)

_ENUM = re.compile(r"Invalid enum value (?P<value>.+)")
_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


async def json_body(request: web.Request, limit: int) -> object:
    """The body, of at most `limit` bytes, as strict JSON: each key once, no NaN, not too deep. Raises Refused."""
    check_media_type(request, "application/json")
    return parse_json(await read_body(request, limit))


def check_media_type(request: web.Request, *wanted: str) -> str:
    """Which of the media types the body has; the first where none is said. Raises Refused."""
    if request.headers.get("Content-Type") == wanted[0]:
        return wanted[0]
    content_type = request.content_type
    if content_type not in wanted:
        if content_type != "application/octet-stream":
            raise Refused(Kind.WRONG_MEDIA_TYPE, f"send {' or '.join(wanted)}, not {content_type}")
        content_type = wanted[0]
    charset = request.charset
    if charset is not None and charset.lower().replace("_", "-") not in ("utf-8", "utf8", "us-ascii"):
        raise Refused(Kind.WRONG_MEDIA_TYPE, f"send UTF-8, not {charset}")
    return content_type


def check_media_type_only(request: web.Request, *wanted: str) -> str:
    """The header Content-Type as it came; the first where none is said. Its charset is the reader's. Raises Refused."""
    if request.content_type in wanted:
        return request.headers["Content-Type"]
    if "Content-Type" in request.headers:
        raise Refused(Kind.WRONG_MEDIA_TYPE, f"send {' or '.join(wanted)}, not {request.content_type}")
    return wanted[0]


def parse_json(body: bytes) -> object:
    """Strict JSON. Raises Refused with what is wrong, and where."""
    value = read_json_quickly(body)
    if value is not None:
        return value
    try:
        text = body.decode("utf-8")
        value = read_json(text)
    except UnicodeDecodeError as error:
        raise Refused(Kind.BAD_REQUEST, f"the body is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise Refused(Kind.BAD_REQUEST, f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Refused(Kind.BAD_REQUEST, "the body is nested too deeply") from None
    if may_be_too_deep(text) and too_deep(value):
        raise Refused(Kind.BAD_REQUEST, f"the body is nested too deeply; at most {MAX_DEPTH} levels")
    return value


def convert_body(value: object, kind: type[T]) -> T:
    """A JSON object as this struct. Raises Refused with all fields that are wrong."""
    if not isinstance(value, dict):
        raise Refused(Kind.INVALID, "the body must be a JSON object", [FieldProblem("", "must be a JSON object")])
    bad = [
        FieldProblem(pointer_to(*path), worded("is not a text: NUL or a lone surrogate")) for path in _no_texts(value)
    ]
    if bad:
        raise Refused(Kind.INVALID, _counted(bad), bad)
    return _converted(value, kind, strict=True, place=pointer_to)


def _no_texts(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Where there are texts that PostgreSQL cannot hold; of the keys, too."""
    if isinstance(value, str) and ("\0" in value or _SURROGATE.search(value)):
        yield path
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _no_texts(one, (*path, number))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _no_texts(key, (*path, key))
            yield from _no_texts(one, (*path, key))


def convert_query(values: Mapping[str, str], kind: type[T]) -> T:
    """A query as this struct; texts are read as numbers and truths where the fields are. Raises Refused."""
    return _converted(dict(values), kind, strict=False, place=lambda *path: "?" + str(path[0]))


def _converted(values: dict[str, Any], kind: type[T], *, strict: bool, place: Any) -> T:
    found: dict[str, Any] = {}
    wrong: list[FieldProblem] = []
    fields = _fields(kind)
    for name, value in values.items():
        if name not in fields:
            wrong.append(
                FieldProblem(place(name), worded("is not known here; known: {names}", names=", ".join(fields)))
            )
            continue
        try:
            found[fields[name].name] = msgspec.convert(value, fields[name].type, strict=strict)
        except msgspec.ValidationError as error:
            wrong.append(_problem(name, str(error), place))
    wrong += [
        FieldProblem(place(name), worded("is missing"))
        for name, field in fields.items()
        if name not in values and field.required
    ]
    if wrong:
        raise Refused(Kind.INVALID, _counted(wrong), wrong)
    return kind(**found)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _problem(name: str, text: str, place: Any) -> FieldProblem:
    """msgspec names the place within the field only in its text."""
    found = _PATH.search(text)
    steps = [a or b for a, b in _STEP.findall(found["path"])] if found else []
    return FieldProblem(place(name, *steps), _said(_PATH.sub("", text)))


def _said(text: str) -> str:
    """What msgspec says, worded where it is what users meet."""
    found = _ENUM.fullmatch(text)
    return worded("Invalid enum value {value}", value=found["value"]) if found else text


def _counted(wrong: list[FieldProblem]) -> str:
    first = wrong[0]
    said = placed(first.pointer or worded("the body"), first.reason)
    if len(wrong) == 1:
        return said
    return said + worded(", and {more} more", more=len(wrong) - 1)
