"""Numbers as people and spreadsheets write them: 120.000,50 in one country is 120,000.50 in another. Pure."""

import re
import unicodedata
from enum import Enum

_LONGEST = 80
_DIGITS = 40
_THREE_DECIMALS = 3
_MONEY = (
    r"(?:[€£¥￥元₹₩₺]|(?:R|US|NT|HK|MX)?\$|zł|kr\.?|Kč|Ft|Fr\.|"
    r"EUR|USD|GBP|CHF|CNY|RMB|JPY|PLN|CZK|HUF|SEK|NOK|DKK|BRL|MXN|INR|KRW|TRY|TWD|HKD)"
)
_SIGNS = {"comma": (",", "."), "point": (".", ",")}


class DecimalSign(Enum):
    """What stands before the decimals; the other of the two, spaces and apostrophes part the thousands."""

    COMMA = "comma"
    POINT = "point"


def _pattern(sign: DecimalSign) -> re.Pattern[str]:
    decimal, thousands = map(re.escape, _SIGNS[sign.value])
    # One kind of separator in a number: 1.234 567 is a slip of the hand.
    grouped = "|".join(rf"[0-9]{{1,3}}(?:{part}[0-9]{{3}})+" for part in (thousands, " ", "['’]"))
    whole, rest = rf"(?P<whole>{grouped}|[0-9]+)", rf"(?:{decimal}(?:(?P<rest>[0-9]+)|-{{1,2}}))?"
    return re.compile(rf"{_MONEY}? ?(?P<minus>-?) ?{whole}{rest} ?{_MONEY}?", re.ASCII | re.IGNORECASE)


_PATTERNS = {sign: _pattern(sign) for sign in DecimalSign}


def plain_number(text: str, sign: DecimalSign) -> str | None:
    """The number as rules compare it, such as 120000.5; None = it is not a number that is written so."""
    if len(text) > _LONGEST:
        return None
    found = _PATTERNS[sign].fullmatch(" ".join(unicodedata.normalize("NFKC", text).split()))
    if found is None:
        return None
    whole = re.sub(r"[^0-9]", "", found["whole"]).lstrip("0") or "0"
    rest = (found["rest"] or "").rstrip("0")
    if len(whole) > _DIGITS or len(rest) > _DIGITS:
        return None
    if len(rest) == _THREE_DECIMALS:
        # Rules take 1.234 for neither a thousand nor one and a bit.
        rest += "0"
    minus = found["minus"] if rest or whole != "0" else ""
    return f"{minus}{whole}{'.' if rest else ''}{rest}"
