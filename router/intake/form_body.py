"""The body of a posted form as names and texts: `application/x-www-form-urlencoded`, or `multipart/form-data` without
files. Pure.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
MAX_FIELDS = 200
MAX_NAME = 200
CHARSET = "_charset_"
"""The field in which browsers say in which encoding they sent the form, where the form asks for it."""
CHARSETS = frozenset(
    (
        *("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252"),
        *("windows-1253", "windows-1254", "windows-1256", "gb18030", "gbk", "gb2312", "big5", "shift_jis", "euc-jp"),
        *("euc-kr", "koi8-r"),
    )
)

_PART_NAME = re.compile(rb';\s*name=(?:"((?:\\.|[^"\\])*)"|([^;\s"]+))', re.IGNORECASE)
_FILE_NAME = re.compile(rb';\s*filename\*?=(?:"((?:\\.|[^"\\])*)"|([^;\s"]*))', re.IGNORECASE)
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^;\s"]{1,70}))', re.IGNORECASE)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class FormError(ValueError):
    """The form cannot be taken; `field` is the name of what is wrong, empty = the form as a whole."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class _Raw(NamedTuple):
    name: bytes
    value: bytes


def read_form(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Names and values in the order of the form, as the header Content-Type says. Raises FormError."""
    media_type = content_type.partition(";")[0].strip().lower()
    pairs = _multipart(body, _boundary(content_type)) if media_type == MULTIPART else _urlencoded(body)
    found = list(pairs)
    if len(found) > MAX_FIELDS:
        raise FormError("", f"has {len(found):,} fields; at most {MAX_FIELDS} are allowed")
    charset = _charset(content_type, found)
    return [_decoded(one, charset) for one in found]


def join_values(fields: list[tuple[str, str]], several: str) -> dict[str, object]:
    """Values by name. Several of one name are joined (`several` = join) or refused with FormError; equal ones, as those
    of a hidden field beside its checkbox, count once.
    """
    by_name: dict[str, list[str]] = {}
    for name, value in fields:
        values = by_name.setdefault(name, [])
        if value not in values:
            values.append(value)
    for name, values in by_name.items():
        if several == "refuse" and len(values) > 1:
            raise FormError(name, "is given several times")
    return {name: ", ".join(filter(None, values)) for name, values in by_name.items()}


def _urlencoded(body: bytes) -> Iterator[_Raw]:
    for number, pair in enumerate(body.split(b"&")):
        if number > 2 * MAX_FIELDS:
            raise FormError("", f"has more than {MAX_FIELDS} fields")
        name, _, value = pair.partition(b"=")
        if pair:
            yield _Raw(unquote_to_bytes(name.replace(b"+", b" ")), unquote_to_bytes(value.replace(b"+", b" ")))


def _boundary(content_type: str) -> bytes:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise FormError("", "has no boundary in its Content-Type")
    return (found[1] or found[2]).encode("utf-8", "surrogateescape")


def _multipart(body: bytes, boundary: bytes) -> Iterator[_Raw]:
    """The parts between the boundaries; what comes before the first and after the last is ignored."""
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_FIELDS + 2)
    if len(pieces) > MAX_FIELDS + 2:
        raise FormError("", f"has more than {MAX_FIELDS} fields")
    closed = False
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            closed = True
            break
        part = _part(piece)
        if part is not None:
            yield part
    if not closed:
        raise FormError("", "ends before its last boundary: it was cut off")


def _part(piece: bytes) -> _Raw | None:
    """None for a file field without a file, which browsers send empty."""
    head, found, value = piece.partition(b"\r\n\r\n")
    disposition = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-disposition:")), b"")
    name = _PART_NAME.search(disposition)
    if not found or name is None:
        raise FormError("", "has a part without a name")
    raw = _ESCAPED.sub(rb"\1", name[1]) if name[1] is not None else name[2]
    raw = raw.replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n")
    if _FILE_NAME.search(disposition):
        if not value and not any(_FILE_NAME.search(disposition).groups()):  # type: ignore[union-attr]
            return None
        raise FormError(_shown(raw), "is a file; files are not taken here")
    return _Raw(raw, value)


def _charset(content_type: str, found: list[_Raw]) -> str:
    """What the form says itself, else the header, else UTF-8."""
    in_header = re.search(r';\s*charset="?([^;"\s]+)', content_type, re.IGNORECASE)
    in_form = next((one.value for one in found if one.name == CHARSET.encode()), b"")
    said = in_form.decode("ascii", "replace").strip() or (in_header[1] if in_header else "") or "utf-8"
    charset = {"utf8": "utf-8"}.get(said.lower(), said.lower())
    if charset not in CHARSETS:
        raise FormError(CHARSET if in_form else "", f"the encoding {said[:40]!r} is not known here; send UTF-8")
    return charset


def _decoded(raw: _Raw, charset: str) -> tuple[str, str]:
    name = _shown(raw.name)
    try:
        name, value = raw.name.decode(charset), raw.value.decode(charset)
    except UnicodeDecodeError:
        raise FormError(name, f"is not a text in {charset}") from None
    if not name.strip() or len(name) > MAX_NAME or "\0" in name:
        raise FormError(_shown(raw.name), f"the name of a field must have 1 to {MAX_NAME} characters")
    return name.strip(), value


def _shown(raw: bytes) -> str:
    return raw[:MAX_NAME].decode("utf-8", "replace").replace("\0", "")
