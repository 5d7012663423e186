"""Numbers that a country writes in two ways: both are one number. Pure; numbers are E.164.

Mexico had a 1 before mobile numbers until 2019, Brazil put a 9 before them until 2016, and in Argentina a number that
is called from abroad has a 9 that it has not at home.
"""

_MEXICO, _BRAZIL, _ARGENTINA = "+52", "+55", "+54"
_MEXICAN_DIGITS, _ARGENTINE_DIGITS = 10, 10
_BRAZILIAN_DIGITS = 8
_BRAZILIAN_AREA = 2
# Old mobile numbers began so; those with a 7 are of another network, which never got the 9.
_BRAZILIAN_MOBILE = ("6", "8", "9")


def newest_spelling(number: str) -> str:
    """The number as its country writes it today, if it writes it in one way; else the number itself."""
    if number.startswith(f"{_MEXICO}1") and len(number) == len(_MEXICO) + 1 + _MEXICAN_DIGITS:
        return _MEXICO + number[4:]
    if number.startswith(_BRAZIL):
        area, rest = _brazilian(number)
        if len(rest) == _BRAZILIAN_DIGITS and rest.startswith(_BRAZILIAN_MOBILE):
            return f"{_BRAZIL}{area}9{rest}"
    return number


def spellings(number: str) -> tuple[str, ...]:
    """All ways of writing the number, the newest one first. Customers are known by each of them."""
    if not number.startswith((_MEXICO, _BRAZIL, _ARGENTINA)):
        return (number,)
    number = newest_spelling(number)
    if number.startswith(_MEXICO) and len(number) == len(_MEXICO) + _MEXICAN_DIGITS:
        return (number, f"{_MEXICO}1{number[3:]}")
    if number.startswith(_ARGENTINA):
        return _argentine(number)
    area, rest = _brazilian(number)
    old = rest[1:]
    if len(rest) == _BRAZILIAN_DIGITS + 1 and rest[0] == "9" and old.startswith(_BRAZILIAN_MOBILE):
        return (number, f"{_BRAZIL}{area}{old}")
    return (number,)


def _brazilian(number: str) -> tuple[str, str]:
    end = len(_BRAZIL) + _BRAZILIAN_AREA
    return number[len(_BRAZIL) : end], number[end:]


def _argentine(number: str) -> tuple[str, ...]:
    national = number[len(_ARGENTINA) :]
    if len(national) == _ARGENTINE_DIGITS + 1 and national[0] == "9":
        national = national[1:]
    if len(national) != _ARGENTINE_DIGITS:
        return (number,)
    return (f"{_ARGENTINA}{national}", f"{_ARGENTINA}9{national}")
