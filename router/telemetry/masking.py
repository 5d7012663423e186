"""Passwords, e-mail addresses and phone numbers do not belong in logs, messages or lists of settings: their masks."""

import re

MASK = "***"

# Greedy up to the last "@": an unescaped "@" or "/" in a password must not uncover the rest of it.
_IN_URL = re.compile(r"([a-z][a-z0-9+.-]{0,30}://[^\s/:@]*:)\S+(@)", re.IGNORECASE)
# In quotes, also in escaped ones (a text within JSON), and in ones whose end was cut off.
_IN_QUOTES = r"""'(?:[^'\\]|\\.)*(?:'|\\?$)|\\"(?:(?!\\").)*(?:\\"|$)|"(?:[^"\\]|\\.)*(?:"|\\?$)"""
_AS_KEYWORD = re.compile(rf"(password\s*=\s*)({_IN_QUOTES}|[^\s&]+)", re.IGNORECASE | re.DOTALL)
_IN_SQL = re.compile(r"(\bpassword\s+)(?:[eE]?'(?:[^'\\]|\\.|'')*('|$)|(\$\w*\$).*?(\3|$))", re.IGNORECASE | re.DOTALL)
# Not in a URL, where it is the user and the host of a server: "//router@db.example".
_EMAIL = re.compile(r"(?<![\w.%+-])(?<!//)[\w.%+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"\+\d(?:[ ().-]{0,2}\d){6,14}(?!\d)")
# "Failing row contains (…)", "Key (…)=(…) already exists", whatever language the server speaks.
_DETAIL = re.compile(r"(DETAIL:  [^\n(]*)\(.*?(?=\n\n|\nHINT:  |\Z)", re.DOTALL)
_ARGUMENT = re.compile(r"(invalid input (?:for query argument \$\d+|syntax for [\w ]+): )[^\n]*")
_WHOLE_URL = re.compile(r"([a-z][a-z0-9+.-]*://[^/:@]*:).+(@)", re.IGNORECASE | re.DOTALL)
_WHOLE_KEYWORD = re.compile(rf"(password\s*=\s*)({_IN_QUOTES}|[^&]+)", re.IGNORECASE | re.DOTALL)


def mask_passwords(text: str) -> str:
    """`text` with the password of every URL and of every `password=…` replaced; cheap where there is none."""
    if "://" in text:
        text = _IN_URL.sub(rf"\1{MASK}\2", text)
    return _AS_KEYWORD.sub(rf"\1{MASK}", text) if "=" in text else text


def mask_statement(sql: str) -> str:
    """The same for a statement of somebody else: also `alter role … password '…'`."""
    return mask_passwords(_IN_SQL.sub(rf"\1{MASK}", sql))


def mask_contacts(text: str) -> str:
    """`text` without e-mail addresses, and without phone numbers that begin with `+`; cheap where there is none."""
    if "@" in text:
        text = _EMAIL.sub(MASK, text)
    return _PHONE.sub(MASK, text) if "+" in text else text


def mask_rows(text: str) -> str:
    """`text` of an error of PostgreSQL or of its driver without the values that it repeats: those of a row, of a key,
    of an argument. Numbers of processes and transactions stay.
    """
    if "DETAIL:  " in text:
        text = _DETAIL.sub(rf"\1({MASK})", text)
    return _ARGUMENT.sub(rf"\1{MASK}", text) if "invalid input " in text else text


def mask_url(url: str) -> str:
    """The same for a text that is one URL as a whole, where even a blank belongs to the password."""
    return _WHOLE_KEYWORD.sub(rf"\1{MASK}", _WHOLE_URL.sub(rf"\1{MASK}\2", url))


_LITERAL = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*(?:'|$)   # also one that was cut off
      | [bBxXuU&]*'(?:[^'\\]|'')*(?:'|\\.*|$)   # a backslash is a letter or hides the end: all that follows goes
      | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|$)
      | --[^\n]* | /\*.*?(?:\*/|$)
      | (?<![\w$])\d[\w.]*""",
    re.DOTALL | re.VERBOSE,
)


def mask_literals(sql: str) -> str:
    """A statement of somebody else without the values in it, and without comments: they may be about people."""
    return _LITERAL.sub("?", sql)
