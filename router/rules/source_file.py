"""The file of a source: the mapping of its leads, as for files, and its door: `form:` or `webhook:`. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from router.rules.document import At, Wrong, read_top, top_of
from router.rules.json_paths import BadPath, parse_path
from router.rules.kinds import duration
from router.rules.mapping import FileMapping, mapping_at
from router.rules.problems import InvalidFile, Problem
from router.rules.reader import mapping, one_or_many, shorten, text, what, whole, word

STANDARD, HMAC, SHARED_KEY = "standard-webhooks", "hmac-sha256", "shared-key"
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_PLACEHOLDERS = re.compile(r"\{(id|timestamp|body)\}")
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class FormDoor:
    """How a web form may be posted. `origins` are the pages' (scheme and host) that may; `redirects` the addresses to
    go to afterwards, the first unless the form names another of them; `per_minute` posts from one client's address.

    `several`: what several values of one name become; `address_header` is where a proxy puts the client's address.
    """

    origins: tuple[str, ...]
    redirects: tuple[str, ...] = ()
    failure_redirect: str | None = None
    honeypot: str | None = None
    per_minute: int | None = None
    several: str = "join"
    address_header: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookDoor:
    """How a webhook is signed. `signed` is the text that is: {body}, with {id} and {timestamp} where they are.

    `leads` is the path of the list of leads in a body, None = the body is one lead, or a list of them. `key` is the
    path of the key in the body for the scheme shared-key, which has no signature.
    """

    scheme: str
    signature_header: str = "webhook-signature"
    timestamp_header: str | None = "webhook-timestamp"
    id_header: str | None = "webhook-id"
    signed: str = "{id}.{timestamp}.{body}"
    encoding: str = "base64"
    prefix: str = ""
    tolerance: timedelta = timedelta(minutes=5)
    leads: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What the file says."""

    mapping: FileMapping
    door: FormDoor | WebhookDoor

    @property
    def kind(self) -> str:
        """`form` or `webhook`."""
        return "form" if isinstance(self.door, FormDoor) else "webhook"


def parse_source(source: str, file: str) -> SourceFile:
    """The source in the YAML text; `file` stands for it in messages. Raises InvalidFile with all that is wrong."""
    top = top_of(source, file)
    if top is None:
        raise InvalidFile([Problem(file, 1, "", "is empty; it needs form: or webhook:")])
    return read_top(top, _source)


def _source(at: At) -> SourceFile:
    doors: dict[str, Any] = {}
    plan = mapping_at(at, {"form": _form, "webhook": _webhook}, doors)
    if len(doors) != 1 and not at.problems:
        at.wrong("needs one of form: and webhook:, which says how leads come in")
    door = next(iter(doors.values()), FormDoor(()))
    _check_mapping(at, plan, door)
    return SourceFile(replace(plan, file=at.file), door)


def _check_mapping(at: At, plan: FileMapping, door: FormDoor | WebhookDoor) -> None:
    if "source" in plan.constants or "source" in plan.rename.values():
        at.wrong("the source of these leads is the source's name; take it out of rename: and constants:")
    if plan.ids_unique_over_sources:
        at.wrong("ids_unique_over_sources: is for files; what comes in here is of one source")
    if isinstance(door, FormDoor):
        return
    for column in plan.columns:
        try:
            parse_path(column)
        except BadPath as error:
            at.wrong(str(error))


def _form(at: At) -> FormDoor:
    readers: Mapping[str, Any] = {
        "origins": lambda at: tuple(one_or_many(at, _origin)),
        "redirects": lambda at: tuple(one_or_many(at, _address)),
        "failure_redirect": _address,
        "honeypot": text,
        "per_minute": whole(1, 100_000),
        "several": lambda at: word(at, ("join", "refuse")),
        "address_header": _header,
    }
    values = mapping(at, readers, ("origins",))
    return FormDoor(**{"origins": (), **values})


def _webhook(at: At) -> WebhookDoor:
    readers: Mapping[str, Any] = {
        "scheme": lambda at: word(at, (STANDARD, HMAC, SHARED_KEY)),
        **dict.fromkeys(("signature_header", "timestamp_header", "id_header"), _header),
        "signed": _signed,
        "encoding": lambda at: word(at, ("hex", "base64")),
        "prefix": text,
        "tolerance": duration,
        **dict.fromkeys(("leads", "key"), _path),
    }
    values = mapping(at, readers, ("scheme",))
    scheme = values.get("scheme", STANDARD)
    _check_entries(at, scheme, values)
    if scheme == STANDARD:
        return WebhookDoor(**{"scheme": scheme, **values})
    plain = {"timestamp_header": None, "id_header": None, "encoding": "hex", "signed": _usually_signed(values)}
    return WebhookDoor(**{**plain, **values})


def _usually_signed(values: Mapping[str, Any]) -> str:
    return "{timestamp}.{body}" if "timestamp_header" in values else "{body}"


_ONLY = {
    STANDARD: {"scheme", "signature_header", "timestamp_header", "id_header", "tolerance", "leads"},
    HMAC: {
        *("scheme", "signature_header", "timestamp_header", "id_header", "signed", "encoding", "prefix", "tolerance"),
        "leads",
    },
    SHARED_KEY: {"scheme", "key", "leads"},
}


def _check_entries(at: At, scheme: str, values: Mapping[str, Any]) -> None:
    """Each scheme has entries of its own; what is signed needs its headers, and the other way round."""
    for name in sorted(values.keys() - _ONLY[scheme]):
        at.wrong(f"{name}: is not for the scheme {scheme}")
    if scheme == SHARED_KEY and "key" not in values:
        at.wrong("key: is missing: the path of the key in the body")
    if scheme != HMAC or at.problems:
        return
    if "signature_header" not in values:
        at.wrong("signature_header: is missing")
    signed = values.get("signed", _usually_signed(values))
    for name in ("timestamp", "id"):
        if (f"{{{name}}}" in signed) != (f"{name}_header" in values):
            at.wrong(f"{name}_header: belongs to {{{name}}} in signed:, and the other way round; what is not signed "
                     "anybody could change")  # fmt: skip


def _origin(at: At) -> str:
    """Scheme and host, as browsers send it."""
    value = text(at)
    parts = _split(value)
    if f"{parts.scheme}://{parts.netloc}".lower() != value.lower() or "*" in value:
        raise Wrong(f"must be scheme and host of a page, such as https://www.example.com, not {shorten(value)}")
    _check_scheme(parts.scheme, parts.netloc)
    return value.lower()


def _address(at: At) -> str:
    value = text(at)
    parts = _split(value)
    if not value.isascii() or " " in value or "\\" in value:
        raise Wrong(f"must be an address in ASCII without spaces, not {shorten(value)}")
    _check_scheme(parts.scheme, parts.netloc)
    return value


def _split(value: str) -> Any:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise Wrong(f"{shorten(value)} is not an address") from None
    if not parts.hostname or "@" in parts.netloc:
        raise Wrong(f"must be a whole address, such as https://www.example.com, not {shorten(value)}")
    return parts


def _check_scheme(scheme: str, netloc: str) -> None:
    host = netloc.rpartition(":")[0] if re.search(r":\d+$", netloc) else netloc
    if scheme != "https" and not (scheme == "http" and host.lower() in _LOCAL):
        raise Wrong("must begin with https:// (http:// only for this machine)")


def _header(at: At) -> str:
    value = text(at)
    if not _HEADER.fullmatch(value):
        raise Wrong(f"{shorten(value)} is not the name of a header")
    return value


def _signed(at: At) -> str:
    value = text(at)
    if value.count("{body}") != 1 or max(map(value.count, ("{id}", "{timestamp}"))) > 1:
        raise Wrong(f"must have {{body}} once, and {{id}} and {{timestamp}} at most once, not {what(at.node)}")
    if "{" in _PLACEHOLDERS.sub("", value) or "}" in _PLACEHOLDERS.sub("", value):
        raise Wrong("may have {id}, {timestamp} and {body}, and no others")
    return value


def _path(at: At) -> str:
    value = text(at)
    try:
        parse_path(value)
    except BadPath as error:
        raise Wrong(str(error)) from None
    return value
