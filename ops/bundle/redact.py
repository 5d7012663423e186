"""Takes out of an archive what must not leave the house: pure.

Passwords and keys, e-mail addresses, phone numbers, values in statements and in messages of the database, and what
operators wrote in their own words. Documents of ours hold no facts of leads and no names of people to begin with; what
is taken out here is what others may have written into them. Rather too much than too little: it is a diagnosis, not a
backup.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from ops.bundle.keys import is_secret
from router.telemetry.masking import MASK, mask_literals, mask_statement

LEFT_OUT = "(left out)"

_VALUE = r"""(?:'[^']*(?:'|$)|\\"(?:(?!\\").)*(?:\\"|$)|"[^"]*(?:"|$)|[^\s&"'\\]+)"""
_AS_SECRET = re.compile(
    r"((?:pass(?:word|wd|phrase)|pwd|secret|token|credential|(?:api|private|access)[_-]?key|session[_-]?id|signature|jwt)"
    r"[\w-]{0,40}\\?[\"']?\s*[=:]\s*|\bbearer\s+|(?-i:\bBasic\s+(?=\S*[A-Z0-9=]))"
    r"|--[\w-]{0,40}(?:password|secret|token|key)\s+)" + _VALUE,
    re.IGNORECASE | re.DOTALL,
)
# All that follows in the line, but for what stands behind the quote that ends it.
_IN_HEADER = re.compile(
    r"(\b(?:(?:proxy-)?authorization|(?:set-)?cookie2?|x-[\w-]{0,40}(?:auth|key|token|secret)[\w-]{0,40})"
    r"\\?[\"']?\s*[=:]\s*)(?:\\?[\"']\s*)?(?:digest\s[^\n]*|[^\n\"'\\]+)",
    re.IGNORECASE,
)
# Tokens that show what they are by their form.
_TOKEN = re.compile(
    r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\b(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-)[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)",
    re.DOTALL,
)
# In place of a user, a token; only the database's URL names a user there, who is none.
_AS_USER = re.compile(r"(?<![a-z0-9+.-])((?!postgres)[a-z][a-z0-9+.-]*://)[^\s/@\"'<>?#]+@", re.IGNORECASE)
# Not "*": a password in a URL is masked already, and the host after it says where the trouble is.
_MAIL = re.compile(r"[^\s@<>()\[\]{},;:\"'=/*]+@[\w-]+(?:\.[\w-]+)+")
# Digits with what is written between them, but no part of a word, a time, a UUID, an address or a number with a point.
_PHONE = re.compile(
    r"(?<![0-9A-Za-z_+])(?<!\d[.:-])(?<![0-9a-f]{4}-)(?:\+|00)?\(?\d(?:[ ()/.-]{0,2}\d){7,17}"
    r"(?![0-9A-Za-z_]|:\d|\.\d|-[0-9a-f]{4}-)"
)
_NO_PHONE = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d)?|\d{1,3}(?:\.\d{1,3}){3}|\d+\.\d+")
# Forms of ours, with numbers that are too short for most phones; and the name space of an instance.
_NUMBERED = re.compile(r"\b(?:leads?|tenant|batch|version|process|pid) \d{1,9}|pid:\[\d{10}", re.ASCII)
# What the database says of a value that it did not like.
_DETAIL = re.compile(r"(DETAIL|CONTEXT|QUERY|STATEMENT)(:\s*)[^\n]*")
_KEY_VALUE = re.compile(r"(=|\bcontains )\((?:[^()]|\([^()]*\))*\)")
_QUOTED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|“[^”\n]*”|「[^」\n]*」|(?<=: )\"[^\"\n]*\"")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?\+00:00", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_CODE = re.compile(r"[a-z][a-z_]*")
_SHORTEST_SECRET, _SHORTEST_NOTE = 3, 4
_OF_US = ("PG", "REDIS", "LEAD_ROUTER_")

_NOTES = frozenset({"why", "note", "paused_why", "paused_by_why"})
_STATEMENTS = frozenset({"query", "statement", "sql"})
_PERSONAL = frozenset(
    {"phone", "mobile", "email", "name", "company", "contact", "attributes", "facts", "wecom_user_id"}
)
_NAMING = ("setting", "subject")
_VALUES = frozenset({"value", "before", "after"})


class Redactor:
    """`secrets` are passwords that are known, and `written` what operators wrote (None = that may stay): both are taken
    out wherever they stand.
    """

    def __init__(self, secrets: Iterable[str] = (), written: Iterable[str] | None = None) -> None:
        ways = {way for secret in secrets for way in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])}
        # A password of two letters, or a note of one word that we use, too, would take half of every text with it.
        known = {one: MASK for one in ways if len(one) >= _SHORTEST_SECRET}
        known |= {note: LEFT_OUT for note in written or () if len(note) >= _SHORTEST_NOTE and not _WORD.fullmatch(note)}
        # The longest first: one may be a part of another.
        self._known_texts = sorted(known.items(), key=lambda item: -len(item[0]))
        self._notes = written is None

    def text(self, text: str) -> str:
        """A text of any origin, without what must not leave."""
        text = _IN_HEADER.sub(rf"\1{MASK}", mask_statement(self._known(text)))
        text = _AS_SECRET.sub(rf"\1{MASK}", _TOKEN.sub(MASK, text))
        text = _AS_USER.sub(rf"\1{MASK}@", text)
        text = _DETAIL.sub(rf"\1\2{MASK}", text)
        text = _KEY_VALUE.sub(rf"\1({MASK})", text)
        text = _MAIL.sub(_mail, text)
        text = _QUOTED.sub(_quoted, text)
        return _PHONE.sub(_phone, text)

    def document(self, value: Any, *, of_others: bool = False) -> Any:
        """A document of JSON; `of_others` = also what is called as a fact about a person is taken out."""
        if isinstance(value, Mapping):
            named = " ".join(str(value[key]) for key in _NAMING if isinstance(value.get(key), str))
            hidden = _VALUES if is_secret(named) else frozenset()
            return {
                self.text(str(key)): self._entry(str(key), one, value, hidden=str(key) in hidden, of_others=of_others)
                for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            # The columns of a flight record, with millions of numbers and times in all.
            if all(one is None or type(one) is int or (type(one) is str and _INSTANT.fullmatch(one)) for one in value):
                return list(value)
            return [self.document(one, of_others=of_others) for one in value]
        return value if isinstance(value, bool | int | float | type(None)) else self.text(str(value))

    def log_line(self, line: str) -> str:
        """A line of a log: JSON, also behind what a collector writes before it, or any other."""
        before, brace, rest = line.partition("{")
        try:
            event = json.loads(brace + rest)
        except ValueError:
            return self.text(line)
        told = json.dumps(self.document(event, of_others=True), ensure_ascii=False, default=str)
        return self.text(before) + self._known(told)

    def _entry(self, key: str, value: Any, beside: Mapping[Any, Any], *, hidden: bool, of_others: bool) -> Any:
        if hidden or is_secret(key):
            return value if value in (None, "") or isinstance(value, bool) else MASK
        if isinstance(value, str):
            if key in _STATEMENTS:
                return self.text(mask_literals(value))
            if key in _NOTES:
                return self._note(value, beside)
        if of_others and key.lower() in _PERSONAL:
            return MASK
        return self.document(value, of_others=of_others)

    def _note(self, text: str, beside: Mapping[Any, Any]) -> str:
        return self.text(text) if self._notes or _is_ours(text, beside) else LEFT_OUT

    def _known(self, text: str) -> str:
        for known, instead in self._known_texts:
            text = text.replace(known, instead)
        return text


def notes_in(value: Any) -> Iterator[str]:
    """What operators wrote in a document: the reasons of changes, pauses and mutes."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key in _NOTES and isinstance(one, str) and not _is_ours(one, value):
                yield one
            yield from notes_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from notes_in(one)


def _is_ours(why: str, beside: Mapping[Any, Any]) -> bool:
    """Whether that is our own reason, as codes and results of checks are, and not a person's."""
    return not why or "result" in beside or "server" in beside or bool(_CODE.fullmatch(why))


def secrets_in(urls: Iterable[str | None], environment: Mapping[str, str]) -> set[str]:
    """The passwords in these URLs, and those of the environment."""
    ours = {name: value for name, value in environment.items() if name.startswith(_OF_US)}
    found = {value for name, value in ours.items() if is_secret(name)}
    for url in urls:
        if url is None:
            continue
        try:
            parts = urlsplit(url)
            password = parts.password
        except ValueError:
            continue
        if password is not None:
            found |= {password, unquote(password)}
        found |= {value for key, value in parse_qsl(parts.query) if is_secret(key)}
    return found - {""}


def _mail(found: re.Match[str]) -> str:
    """A user before the host in a URL is none."""
    return found[0] if found.string[: found.start()].endswith("://") else MASK


def _quoted(found: re.Match[str]) -> str:
    """An address of a host stays; any other word may be a name."""
    return found[0] if _NO_PHONE.fullmatch(found[0][1:-1]) else f"'{MASK}'"


def _phone(found: re.Match[str]) -> str:
    """Dates, addresses and the numbers of leads stay."""
    return found[0] if _NO_PHONE.fullmatch(found[0]) or _is_numbered(found) else MASK


def _is_numbered(found: re.Match[str]) -> bool:
    begin = max(0, found.start() - 12)
    return any(one.end() == found.end() for one in _NUMBERED.finditer(found.string, begin, found.end()))
