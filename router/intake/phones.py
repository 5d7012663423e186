"""Phone numbers in one spelling (E.164), so that a customer is known again. Pure.

Parsing with `phonenumbers` takes about 0.1 ms. Numbers of plain digits, which are nearly all, need none of its rules
for prefixes and are recognised by length alone; a property test compares both ways.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata

_PUNCTUATION = str.maketrans("", "", " -.()/\u00a0")
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_LONGEST_CODE = 3
_CACHED = 65_536


class _Plan(NamedTuple):
    """What of a country's numbering plan decides whether digits are a whole national number, nothing before it."""

    code: str
    lengths: frozenset[int]
    prefix: re.Pattern[str] | None
    abroad: re.Pattern[str] | None

    def takes(self, national: str) -> bool:
        return len(national) in self.lengths and not (self.prefix and self.prefix.match(national))


def _pattern(text: str | None) -> re.Pattern[str] | None:
    return re.compile(text) if text else None


@lru_cache(maxsize=512)
def _plan(region: str) -> _Plan | None:
    meta = PhoneMetadata.metadata_for_region(region, None)
    if meta is None or meta.country_code is None or meta.general_desc is None:
        return None
    return _Plan(
        str(meta.country_code),
        frozenset(meta.general_desc.possible_length or ()),
        _pattern(meta.national_prefix_for_parsing),
        _pattern(meta.international_prefix),
    )


@lru_cache(maxsize=1024)
def _plan_of_code(code: str) -> _Plan | None:
    regions = () if code.startswith("0") else phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    # "001" stands for codes that belong to no country; their numbers take the long way.
    return _plan(regions[0]) if regions and regions[0] != "001" else None


class PhoneReader:
    """Reads numbers as they are dialled in `region` (ISO 3166, such as CN; None = only with + and country code)."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._home = _plan(region) if region else None
        self._parsed = lru_cache(maxsize=_CACHED)(self._parse)

    def read(self, text: str) -> str | None:
        """The number in E.164, or None when the text is no possible number. Extensions are left out."""
        plain = text if text.isdecimal() else text.translate(_PUNCTUATION)
        if plain[:1] == "+":
            if _DIGITS.fullmatch(plain, 1) and self._is_whole(plain):
                return plain
        elif (home := self._home) and plain.isdecimal() and plain.isascii() and home.takes(plain):
            abroad = home.abroad and home.abroad.match(plain)
            if not abroad and not plain.startswith(home.code):
                return f"+{home.code}{plain}"
        return self._parsed(text)

    @staticmethod
    def _is_whole(plain: str) -> bool:
        for end in range(2, _LONGEST_CODE + 2):
            if plan := _plan_of_code(plain[1:end]):
                return plan.takes(plain[end:])
        return False

    def _parse(self, text: str) -> str | None:
        try:
            number = phonenumbers.parse(text, self._region)
        except phonenumbers.NumberParseException:
            return None
        if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
            return None
        number.extension = None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
