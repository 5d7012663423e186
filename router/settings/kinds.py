"""The value of one setting from the text that a file or a variable has for it."""

from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import msgspec
from msgspec import inspect

from router.settings.model import DEFAULTS, KINDS

_WORDS: dict[type, str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "a text",
    inspect.CustomType: "a path",
}


class WrongValue(ValueError):
    """The text is not a value of the setting; the message says what it is, and what would be right."""


def parsed(name: str, text: str) -> Any:
    """The value of the setting that the text stands for. Raises WrongValue."""
    kind, text = _kind(name), text.strip()
    if not text:
        raise WrongValue(f"is empty, not {expected(name)}")
    try:
        value = msgspec.convert(_plain(kind, text), KINDS[name], strict=False, dec_hook=_path)
    except msgspec.ValidationError:
        secret = "has a value (not shown, it may hold a password) that is not"
        raise WrongValue(f"{secret if _is_url(kind) else f'is {text!r}, not'} {expected(name)}") from None
    if _is_url(kind) and _port_is_wrong(text):
        raise WrongValue("has a port that is not a number from 1 to 65535 (not shown, it may be part of a password)")
    return value


def expected(name: str) -> str:
    """What a value of the setting must be, in words."""
    kind = _kind(name)
    if isinstance(kind, inspect.Metadata):
        return "a URL that begins with " + " or ".join(f"{scheme}://" for scheme in (kind.extra or {})["schemes"])
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(map(str, get_args(KINDS[name])))
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return f"{_WORDS[type(kind)]} from {kind.ge:g} to {kind.le:g}"
    return _WORDS[type(kind)]


def may_be_empty(name: str) -> bool:
    """Whether the setting has a meaning without a value."""
    return NoneType in get_args(KINDS[name])


def may_be_emptied(name: str) -> bool:
    """Whether a variable may be empty: without a value the setting means something else than by default. Elsewhere an
    empty variable is a mistake, such as a secret that was not mounted.
    """
    return may_be_empty(name) and DEFAULTS[name] is not None


@cache
def _kind(name: str) -> inspect.Type:
    kind = inspect.type_info(KINDS[name])
    if isinstance(kind, inspect.UnionType):
        kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    return kind


def _is_url(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.Metadata)


def _port_is_wrong(url: str) -> bool:
    """Whether a host of the URL has a port that is none. Several hosts are separated by commas."""
    place, _, more = url.partition("://")[2].replace("?", "/", 1).partition("/")
    if "@" in more:
        return False  # a password that is not encoded; where the hosts begin is not known
    ports = [host.rpartition("]")[2].partition(":")[2] for host in place.rpartition("@")[2].split(",")]
    return not all(not port or (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535) for port in ports)


def _plain(kind: inspect.Type, text: str) -> str:
    """The text as msgspec reads it: words in lower case, numbers without a plus, with digits around the point."""
    if isinstance(kind, inspect.LiteralType):
        return text.lower()
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        text = text.removeprefix("+")
    if isinstance(kind, inspect.FloatType):
        return f"0{text}" if text.startswith(".") else text.removesuffix(".")
    return text


def _path(_: type, text: str) -> Path:
    return Path(text).expanduser()
