"""Phone numbers in one spelling (E.164), so that a customer is known again; only numbers that can be real. Pure.

Parsing with `phonenumbers` takes about 0.1 ms. Numbers of plain digits, which are nearly all, need none of its rules
for prefixes and are recognised by the plan of their country alone; a property test compares both ways.
"""

import re
from functools import lru_cache

import phonenumbers

from router.domain.phone_spellings import newest_spelling
from router.intake.phone_plans import LONGEST_CODE, dialled_in, with_code
from router.intake.phone_texts import LONGEST, written

# Dots and slashes also stand for decimals, masks and second numbers: those texts take the long way.
_PUNCTUATION = str.maketrans("", "", " -()\u00a0")
_NOT_DIGIT = re.compile(r"[^0-9]")
_NO_NUMBER = re.compile(r"(?!)")
_NO_CODE = "0"
_CACHED = 65_536
_SURELY_WITH_CODE = 11
"""Digits of a number that begins with its country's code and is longer than what is dialled without it."""
_WITH_FOREIGN_CODE = 12
"""From so many digits on they are no national number of eleven, the most that are usual, nor one of North America."""
_BETWEEN = re.compile(r"\s*/\s*|\s+(?=[(]?0)")
"""Where a second number may begin."""
_WITH_EXTENSION = re.compile(r"(.*[0-9]{7,8})\s*-\s*[0-9]{2,5}")
"""A number of China and the extension behind it: `021-62340001-801`."""
_OLD_MEXICAN_MOBILE = re.compile(r"04[45]([0-9]{10})")
_Kind = phonenumbers.PhoneNumberType
_OF_PEOPLE = frozenset((_Kind.MOBILE, _Kind.FIXED_LINE, _Kind.FIXED_LINE_OR_MOBILE))


class PhoneReader:
    """Reads numbers as they are dialled in `region` (ISO 3166, such as CN; None = only with + and country code)."""

    def __init__(self, region: str | None) -> None:
        self.region = region
        self._code = str(phonenumbers.country_code_for_region(region)) if region else ""
        self._short = (dialled_in(region, _WITH_FOREIGN_CODE) if region else None) or _NO_NUMBER
        self._long = with_code(self._code or _NO_CODE) or _NO_NUMBER
        self._read_slowly = lru_cache(maxsize=_CACHED)(self._slowly)

    def read(self, text: str) -> str | None:
        """The number in E.164, or None when the text is not one valid number. Extensions are left out."""
        plain = text if text.isdecimal() else text.translate(_PUNCTUATION)
        if plain is text or not ("--" in text or "- -" in text):
            if self._short.fullmatch(plain) is not None:
                return f"+{self._code}{plain}"
            if self._long.fullmatch(plain) is not None or (plain[:1] == "+" and self._is_foreign(plain)):
                return plain
        # What is longer is no number, and would fill the memory.
        return self._read_slowly(text) if len(text) <= LONGEST else None

    @staticmethod
    def _is_foreign(plain: str) -> bool:
        for end in range(2, LONGEST_CODE + 2):
            code = plain[1:end]
            if code.isascii() and code.isdecimal() and (numbers := with_code(code)) is not None:
                return numbers.fullmatch(plain) is not None
        return False

    def _slowly(self, text: str) -> str | None:
        found = written(text)
        if found is None or self._are_two(found.number):
            return None
        return self._one(found.number) or self._of_extension(found.number)

    def _one(self, number: str) -> str | None:
        if "+" in number:
            return _valid(number, None)
        digits = _NOT_DIGIT.sub("", number)
        national = self._national(number, digits)
        if digits.startswith("0"):
            return national or (_valid(f"+{digits[2:]}", None) if digits.startswith("00") else None)
        return national if len(digits) < _WITH_FOREIGN_CODE else _perhaps_foreign(national, digits)

    def _are_two(self, text: str) -> bool:
        """Whether a whole number is followed by another one, or its end: plans that leave the length open take both
        together for one.
        """
        for between in _BETWEEN.finditer(text):
            first, second = text[: between.start()], text[between.end() :]
            if self._one(first) and ("/" in between[0] or self._one(second)):
                return True
        return False

    def _of_extension(self, text: str) -> str | None:
        found = _WITH_EXTENSION.fullmatch(text) if self.region == "CN" or text.startswith("+86") else None
        number = self._one(found[1]) if found else None
        return number if number and _kind(number) == _Kind.FIXED_LINE else None

    def _national(self, number: str, digits: str) -> str | None:
        """As it is dialled at home, or with the country's own code and without its plus."""
        if self.region is None:
            return None
        short = _valid(number, self.region) or self._as_dialled_before(digits)
        coded = _valid(f"+{digits}", None) if digits.startswith(self._code) else None
        return _certain(short, coded, digits)

    def _as_dialled_before(self, digits: str) -> str | None:
        old = _OLD_MEXICAN_MOBILE.fullmatch(digits) if self.region == "MX" else None
        return _valid(old[1], "MX") if old else None


def _certain(short: str | None, coded: str | None, digits: str) -> str | None:
    """Of two readings the one that is meant; None where either may be."""
    if short is None or coded is None or short == coded:
        return short or coded
    return coded if len(digits) >= _SURELY_WITH_CODE or _kind(coded) == _Kind.MOBILE else None


def _perhaps_foreign(national: str | None, digits: str) -> str | None:
    """So many digits begin with a country's code; but some plans leave the length of their fixed lines open."""
    if national is None:
        return _valid(f"+{digits}", None, _OF_PEOPLE)
    if _kind(national) == _Kind.MOBILE or not national.endswith(digits) or national == f"+{digits}":
        return national
    return _valid(f"+{digits}", None, frozenset((_Kind.MOBILE,))) or national


def _kind(number: str) -> int:
    return int(phonenumbers.number_type(phonenumbers.parse(number)))


def _valid(text: str, region: str | None, kinds: frozenset[int] | None = None) -> str | None:
    """The number in E.164, in today's spelling; None where there is no such number, or it is of none of the kinds."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        number = phonenumbers.parse(newest_spelling(_e164(number)))
        if not phonenumbers.is_valid_number(number):
            return None
    if kinds is not None and phonenumbers.number_type(number) not in kinds:
        return None
    return newest_spelling(_e164(number))


def _e164(number: phonenumbers.PhoneNumber) -> str:
    number.extension = None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
