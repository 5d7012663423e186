"""The channels that messages go to: the file that `notify.file` names. Addresses and secrets in it are never shown."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from ops.doctor.finding import Severity
from ops.text.translation import LOCALES
from router.outbox.signing import secret_key
from router.rules.document import At, Reader, Wrong, read_file, read_top, top_of
from router.rules.problems import InvalidFile, Problem
from router.rules.reader import items, mapping, one_or_many, text, truth, whole, word
from router.settings.model import Settings

EXAMPLE = "config/examples/notify.yaml"
MOST_CHANNELS = 50
_MAX_URL = 2000


class Kind(StrEnum):
    """What is at the other end."""

    WEBHOOK = "webhook"
    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    EMAIL = "email"


class Tls(StrEnum):
    """How a connection to a mail server is encrypted: after a greeting in plain text, from the beginning, or not."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in; `password` None = without a login."""

    host: str
    port: int
    tls: Tls
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Channel:
    """`tenants` empty = all, and what is about no single tenant. `url` (of everything but mail) and `secret` are
    credentials. `mention` names people for critical messages, as the product knows them.
    """

    name: str
    kind: Kind
    language: str = "en"
    minimum: Severity = Severity.WARNING
    tenants: Sequence[str] = ()
    url: str = field(default="", repr=False)
    secret: str | None = field(default=None, repr=False)
    server: MailServer | None = None
    recipients: Sequence[str] = ()
    mention: Sequence[str] = ()
    allow_private: bool = False
    runbooks: str = ""

    def secrets(self) -> list[str]:
        """What must not be in any text, the longest first."""
        password = None if self.server is None else self.server.password
        return sorted(filter(None, (self.url, self.secret, password)), key=len, reverse=True)


def configured_channels(settings: Settings) -> tuple[Channel, ...]:
    """The channels, in the order of the file; none without a file. Raises InvalidFile."""
    return () if settings.notify.file is None else read_channels(settings.notify.file, os.environ)


def read_channels(file: Path, environment: Mapping[str, str]) -> tuple[Channel, ...]:
    """Raises InvalidFile with all that is wrong; no address and no secret is in it."""
    try:
        top = top_of(read_file(file), str(file))
    except OSError as error:
        raise InvalidFile([Problem(str(file), 0, "", f"cannot be read: {error.strerror}")]) from None
    if top is None:
        raise InvalidFile([Problem(str(file), 1, "", f"is empty; {EXAMPLE} is a file to start from")])
    readers: dict[str, Reader[Any]] = {
        "runbooks": _runbooks,
        "channels": partial(_channels, environment=environment, folder=file.parent),
    }
    found = read_top(top, lambda at: mapping(at, readers, ("channels",)))
    base = found.get("runbooks", "")
    return tuple(Channel(**values, runbooks=base) for values in found["channels"])


def _channels(at: At, environment: Mapping[str, str], folder: Path) -> list[dict[str, Any]]:
    places = items(at)
    if len(places) > MOST_CHANNELS:
        raise Wrong(f"has {len(places)} channels; the maximum is {MOST_CHANNELS}")
    found, names = list[dict[str, Any]](), set[str]()
    for place in places:
        values = place.read(partial(_channel, environment=environment, folder=folder))
        if values is not None and values["name"] in names:
            place.wrong(f"there are two channels named {values['name']}")
        elif values is not None:
            names.add(values["name"])
            found.append(values)
    return found


def _channel(at: At, environment: Mapping[str, str], folder: Path) -> dict[str, Any] | None:
    secret = partial(_secret, environment=environment, folder=folder)
    readers: dict[str, Reader[Any]] = {
        "name": _name,
        "kind": lambda one: Kind(word(one, list(Kind))),
        "language": lambda one: word(one, LOCALES),
        "minimum": lambda one: Severity(word(one, list(Severity))),
        "tenants": lambda one: one_or_many(one, text),
        "url": lambda one: _url(secret(one)),
        "secret": secret,
        "server": partial(_server, secret=secret),
        "recipients": lambda one: one_or_many(one, _address),
        "mention": lambda one: one_or_many(one, text),
        "allow_private": truth,
    }
    before = len(at.problems)
    values = mapping(at, readers, ("name", "kind"))
    if len(at.problems) > before:
        return None
    if problem := _does_not_fit(values):
        raise Wrong(problem)
    return values


def _does_not_fit(values: Mapping[str, Any]) -> str | None:
    """What the kind of the channel needs and does not have, or has and does not know."""
    kind = values["kind"]
    needed = ("server", "recipients") if kind is Kind.EMAIL else ("url",)
    if missing := [name for name in needed if name not in values]:
        return f"a channel of the kind {kind} needs {' and '.join(missing)}"
    foreign = {"url", "secret", "mention"} if kind is Kind.EMAIL else {"server", "recipients"}
    foreign |= {"secret"} if kind is Kind.WECOM else {"mention"} if kind is Kind.WEBHOOK else set()
    if wrong := sorted(foreign & values.keys()):
        return f"a channel of the kind {kind} has no {' and no '.join(wrong)}"
    if kind is Kind.WEBHOOK and "secret" in values:
        try:
            secret_key(values["secret"])
        except ValueError as error:
            return str(error)
    return None


def _server(at: At, secret: Reader[str]) -> MailServer:
    readers: dict[str, Reader[Any]] = {
        "host": text,
        "port": whole(1, 65_535),
        "tls": lambda one: Tls(word(one, list(Tls))),
        "sender": _address,
        "user": text,
        "password": secret,
    }
    before = len(at.problems)
    values = mapping(at, readers, ("host", "sender"))
    if len(at.problems) > before or not {"host", "sender"} <= values.keys():
        raise Wrong("names no mail server that can be used")
    if ("user" in values) != ("password" in values):
        raise Wrong("user and password belong together")
    tls = values.get("tls", Tls.STARTTLS)
    port = {Tls.STARTTLS: 587, Tls.IMPLICIT: 465, Tls.NONE: 25}[tls]
    return MailServer(**{"port": port, **values, "tls": tls})


def _name(at: At) -> str:
    name = text(at)
    if len(name) > 60 or not all(letter.isalnum() or letter in "-_." for letter in name):
        raise Wrong("must be at most 60 letters, digits, - _ and .")
    return name


def _address(at: At) -> str:
    address = text(at)
    name, mark, host = address.rpartition("@")
    if not mark or not name or not host or any(letter.isspace() or letter in '<>,;"' for letter in address):
        raise Wrong("must be a plain e-mail address")
    return address


def _runbooks(at: At) -> str:
    base = text(at)
    if not base.startswith(("https://", "http://")):
        raise Wrong("must be the URL of the folder with the runbooks, https://…/runbooks/")
    return base.rstrip("/") + "/"


def _secret(at: At, environment: Mapping[str, str], folder: Path) -> str:
    """`$NAME` = of the environment, `@FILE` = of a file beside this one."""
    value = text(at)
    if value.startswith("$"):
        if not environment.get(value[1:]):
            raise Wrong(f"the environment has no variable {value[1:]}")
        return environment[value[1:]].strip()
    if not value.startswith("@"):
        return value
    try:
        found = (folder / Path(value[1:]).expanduser()).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Wrong(f"the file {value[1:]} cannot be read") from None
    if not found:
        raise Wrong(f"the file {value[1:]} is empty")
    return found


def _url(url: str) -> str:
    """Names are looked up when something is sent."""
    if not url.startswith(("https://", "http://")):
        raise Wrong("must be a URL that begins with https:// (not shown, it is a credential)")
    if len(url) > _MAX_URL or not url.isascii() or any(not 32 < ord(letter) < 127 for letter in url):
        raise Wrong(f"must be at most {_MAX_URL} printable ASCII characters without spaces (not shown)")
    return url
