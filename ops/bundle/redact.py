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

from ops.bundle.keys import is_counted, is_host, is_personal, is_secret
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
_MAIL = re.compile(r"[^\s@<>()\[\]{},;:\"'=/*]{1,99}(?:@|%40)[\w-]+(?:\.[\w-]+)+")
# What follows the "?" of a URL or of a request line; and escaped parts of paths, which are no names of ours.
_QUERY = re.compile(r"(?<=[\w/.:%*-])\?([^\s\"'<>?\\]+)")
_KEPT_IN_QUERY = re.compile(r"(?:sslmode|connect_timeout|target_session_attrs)=[a-z0-9-]{1,14}(?=&|\s|$)")
_ESCAPED = re.compile(r"(?<![/:])/[^\s/?&#=\"'<>\\]*%[0-9A-Fa-f]{2}[^\s/?&#=\"'<>\\]*")
_IN_FORM = re.compile(rf"(&(?!{_KEPT_IN_QUERY.pattern})[\w.\[\]%-]+=)[^\s&\"'<>\\]+")
# Also wide, thin and unbreakable blanks, and dashes and brackets of all widths.
_BETWEEN = r"[ \u00a0\u2002-\u200b\u202f\u3000()（）/.．·\u2010-\u2015\u2212\uff0d-]"
# Digits with what is written between them, but no part of a word, a time, a UUID, an address or a number with a point.
_PHONE = re.compile(
    r"(?<![0-9A-Za-z_+])(?<!\d[.:-])(?<![0-9a-f]{4}-)(?:[+＋]|00)?[(（]?\d(?:(?:" + _BETWEEN + r"{0,2}| [–-] )\d){7,17}"
    r"(?![0-9A-Za-z_]|:\d|\.\d|-[0-9a-f]{4}-)"
)
_NO_PHONE = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d)?|\d{1,3}(?:\.\d{1,3}){3}|\d+\.\d+")
# Forms of ours, with numbers that are too short for most phones; and the name space of an instance.
_NUMBERED = re.compile(r"\b(?:leads?|tenant|batch|version|process|pid) \d{1,9}|pid:\[\d{10}", re.ASCII)
# What the database says of a value that it did not like.
_DETAIL = re.compile(r"(DETAIL|CONTEXT|QUERY|STATEMENT)(:\s*)[^\n]*")
_KEY_VALUE = re.compile(r"(=|\bcontains )\((?:[^()]|\([^()]*\))*\)")
_QUOTED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|“[^”\n]*”|「[^」\n]*」|(?<=: )\"[^\"\n]*\"")
# `"key": value` of JSON that was cut off or stands in quotes itself, and `key=value`.
_AS_PERSONAL = re.compile(
    r"""(?P<q>\\{0,15}["'])(?P<key>[^"'\\\n]{1,60})(?P=q)\s*:\s*
        (?P<of_key>(?P<v>\\{0,15}["'])(?:(?!(?P=v))(?:\\.|.))*(?:(?P=v)|$)|\[[^\]]*(?:\]|$)|\{[^}]*(?:\}|$)|-?\d[\d.eE+-]*)
      | (?<![\w.-])(?P<name>[\w.-]{1,60})=(?P<of_name>"(?:[^"\\]|\\.)*(?:"|$)|'(?:[^'\\]|\\.)*(?:'|$)|[^\s&,;"'\\]+)""",
    re.VERBOSE | re.DOTALL,
)
_OPENING = re.compile(r"[\[{]")
_DECODER = json.JSONDecoder()
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?\+00:00", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_CODE = re.compile(r"[a-z][a-z_]*")
_LONG_NUMBER = range(10**9, 10**15)
_SHORTEST_SECRET, _SHORTEST_NOTE = 3, 4
_OF_US = ("PG", "REDIS", "LEAD_ROUTER_")

_NOTES = frozenset({"why", "note", "paused_why", "paused_by_why"})
_STATEMENTS = frozenset({"query", "statement", "sql"})
_NAMING = ("setting", "subject")
_VALUES = frozenset({"value", "before", "after"})


def mask_contacts(text: str) -> str:
    """A text without phone numbers and e-mail addresses."""
    return _PHONE.sub(_phone, _MAIL.sub(_mail, text))


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
        text = _ESCAPED.sub(f"/{MASK}", _IN_FORM.sub(rf"\1{MASK}", _QUERY.sub(_query, text)))
        text = _DETAIL.sub(rf"\1\2{MASK}", text)
        text = _KEY_VALUE.sub(rf"\1({MASK})", text)
        text = _MAIL.sub(_mail, text)
        text = _QUOTED.sub(_quoted, text)
        return _PHONE.sub(_phone, text)

    def document(self, value: Any, *, of_others: bool = False, key: str = "") -> Any:
        """A document of JSON; `of_others` = also what is called as a fact about a person is taken out, as are long
        numbers but for ids and times. `key` is what the document stands under.
        """
        if isinstance(value, Mapping):
            named = " ".join(str(value[key]) for key in _NAMING if isinstance(value.get(key), str))
            hidden = _VALUES if is_secret(named) else frozenset()
            return {
                self.text(str(key)): self._entry(str(key), one, value, hidden=str(key) in hidden, of_others=of_others)
                for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            # The columns of a flight record, with millions of numbers and times in all.
            if not of_others and all(
                one is None or type(one) is int or (type(one) is str and _INSTANT.fullmatch(one)) for one in value
            ):
                return list(value)
            return [self.document(one, of_others=of_others, key=key) for one in value]
        if isinstance(value, bool | int | float | type(None)):
            return MASK if of_others and _is_long(value) and not is_counted(key) else value
        return self._text_of_others(str(value)) if of_others else self.text(str(value))

    def log_line(self, line: str) -> str:
        """A line of a log: JSON, also in the middle of what a collector writes, or any other."""
        try:
            return self._text_of_others(line)
        except RecursionError:
            return MASK

    def _text_of_others(self, text: str) -> str:
        """A text with whatever JSON stands in it, in the strings of which there may be more."""
        shown, done = [], 0
        for begin, end, event in _events(text):
            masked = json.dumps(self.document(event, of_others=True), ensure_ascii=False, default=str)
            shown += [self._words_of_others(text[done:begin]), self._known(masked)]
            done = end
        return "".join([*shown, self._words_of_others(text[done:])])

    def _words_of_others(self, text: str) -> str:
        return self.text(_AS_PERSONAL.sub(_personal, text))

    def _entry(self, key: str, value: Any, beside: Mapping[Any, Any], *, hidden: bool, of_others: bool) -> Any:
        if hidden or is_secret(key):
            return value if value in (None, "") or isinstance(value, bool) else MASK
        if isinstance(value, str):
            if key in _STATEMENTS:
                return self.document(mask_literals(value), of_others=of_others)
            if key in _NOTES:
                return self._note(value, beside)
        if of_others and is_personal(key):
            return value if value in (None, "") or isinstance(value, bool) or is_host(value) else MASK
        return self.document(value, of_others=of_others, key=key)

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


def _events(text: str) -> Iterator[tuple[int, int, Any]]:
    """The JSON in a text: where it begins and ends, and what it is; not lists of numbers, such as `[17]`."""
    at = 0
    while found := _OPENING.search(text, at):
        try:
            event, at = _DECODER.raw_decode(text, found.start())
        except ValueError:
            at = found.end()
            continue
        if event and (isinstance(event, dict) or not all(isinstance(one, int | float) for one in event)):
            yield found.start(), at, event


def _is_long(value: float | None) -> bool:
    return value is not None and _LONG_NUMBER[0] <= abs(value) <= _LONG_NUMBER[-1] and value == int(value)


def _personal(found: re.Match[str]) -> str:
    """What is called as something about a person goes; the quotes stay, as they may be those of JSON."""
    name, value = found["key"] or found["name"], found["of_key"] or found["of_name"]
    if not is_personal(name):
        return found[0].removesuffix(value) + _AS_PERSONAL.sub(_personal, value)
    if found["name"]:
        return found[0] if is_host(value) else f"{name}={MASK}"
    return f"{found['q']}{name}{found['q']}: {found['q']}{MASK}{found['q']}"


def _query(found: re.Match[str]) -> str:
    """Names of parameters stay, and values that only the database's driver knows."""
    shown = []
    for part in found[1].split("&"):
        name, equals, _ = part.partition("=")
        kept = part if _KEPT_IN_QUERY.fullmatch(part) else f"{name}={MASK}"
        shown.append(kept if equals else MASK)
    return "?" + "&".join(shown)


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
