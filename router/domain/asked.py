"""Fields of a lead that rules can ask for that the pool does not hold: `company`, `attributes.NAME`, `phone_region`.

They are read for the rulesets that ask for them alone, so that the pool and its claims stay small.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal

from router.domain.lead import Facts
from router.domain.text import fold, without_invisible

COMPANY = "company"
PHONE_REGION = "phone_region"
"""The country of the lead's phone number."""
ATTRIBUTES = "attributes."
"""What the names of attributes begin with in the rules file."""
BEGINS = "\0begins"
"""Behind the name of a field: its values in the form in which beginnings are compared."""
MAX_VALUE = 1_000
"""A value of more characters is cut off behind one more: no value of a rule is as long, and no number."""

# As JSON writes numbers, but for exponents. Up to 40 digits on each side: more is not a quantity of anything.
_NUMBER = re.compile(r"(-?)(0|[1-9]\d{0,39})(?:\.(\d{1,40}))?", re.ASCII)
# 1.500 is a thousand and a half in one country, and one and a half in another: in a text it is neither.
_DOUBTFUL = re.compile(r"-?[1-9]\d{0,2}\.\d{3}", re.ASCII)
_THREE_DECIMALS = 3

_LEGAL_FORMS = frozenset(
    (
        *(
            "ab",
            "ag",
            "as",
            "bv",
            "co",
            "company",
            "corp",
            "corporation",
            "eg",
            "ev",
            "gbr",
            "gmbh",
            "inc",
            "incorporated",
        ),
        *(
            "kg",
            "kgaa",
            "limited",
            "llc",
            "llp",
            "lp",
            "ltd",
            "mbh",
            "nv",
            "ohg",
            "oy",
            "oyj",
            "plc",
            "pte",
            "pty",
            "sa",
        ),
        *("sa", "sarl", "sas", "se", "sl", "spa", "srl", "ug", "und", "and"),
    )
)
_CHINESE_FORMS = ("股份有限公司", "有限责任公司", "有限公司", "公司")
_MARKS = re.compile(r"[^\w]+|_+")
_DOTTED = re.compile(r"(?<=\b\w)\.(?=\w\b)")


def is_more(field: str) -> bool:
    """Whether the field is one of these."""
    return field in (COMPANY, PHONE_REGION) or field.startswith(ATTRIBUTES)


def form_of(field: str) -> Callable[[str], str]:
    """What makes of a field's value the form in which it is compared with those of rules."""
    return company if field == COMPANY else attribute if field.startswith(ATTRIBUTES) else fold


def comparable(field: str, value: str) -> str:
    """The form in which a field's value and those of rules are compared."""
    return form_of(field)(value)


def has_beginnings(field: str) -> bool:
    """Whether beginnings of the field's values are compared in a form of their own."""
    return field == COMPANY or field.startswith(ATTRIBUTES)


def beginning_form(field: str) -> Callable[[str], str]:
    """What makes of a field's value the form in which beginnings are compared: nothing is taken off its end."""
    return _company_words if field == COMPANY else fold


def folded(facts: Facts) -> Facts:
    """The facts in the form in which rules compare them, and those whose beginnings have a form of their own again."""
    plain = [None if value is None else fold(value) for value in facts.plain]
    more = tuple((name, comparable(name, value)) for name, value in facts.more)
    starts = ((name + BEGINS, beginning_form(name)(value)) for name, value in facts.more if has_beginnings(name))
    return Facts.of(plain, (*more, *starts))


def attribute(value: str) -> str:
    """An attribute's value: numbers in one spelling: `5`, `5.0` and a full-width `5` are one value."""
    text = fold(value)
    return text if _DOUBTFUL.fullmatch(text) else _plain_number(text) or text


def json_attribute(value: str) -> str:
    """The same of a number as JSON or YAML writes it, of which nobody can doubt where its decimals begin."""
    return _plain_number(value.strip()) or attribute(value)


def number_of(value: str | None) -> Decimal | None:
    """The number that an attribute's comparable value is, exactly; None = it is not one."""
    if value is None or not _NUMBER.fullmatch(value) or _DOUBTFUL.fullmatch(value):
        return None
    return Decimal(value)


def number_text(number: Decimal) -> str:
    """The comparable value of a number."""
    return _plain_number(f"{number:f}") or f"{number:f}"


def _plain_number(text: str) -> str | None:
    """The one spelling of a number; None = the text is not one. Three decimals get a fourth, to be in no doubt."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, whole, rest = found[1], found[2], (found[3] or "").rstrip("0")
    if len(rest) == _THREE_DECIMALS:
        rest += "0"
    if whole == "0" and not rest:
        sign = ""
    return f"{sign}{whole}" + (f".{rest}" if rest else "")


def json_value_text(value: str) -> str:
    """What the lead says, of an attribute as the store reads it: JSON, a text with one quote in front of it alone."""
    return value[1:] if value.startswith('"') else json_attribute(value)


def company(value: str) -> str:
    """A company's name without case, width, punctuation, and the legal forms behind it: `ACME G.m.b.H. & Co. KG` is
    `acme`. The first word is never taken for a legal form.
    """
    text = fold(without_invisible(value))
    words = _company_words(value).split()
    while len(words) > 1 and words[-1] in _LEGAL_FORMS:
        words.pop()
    name = " ".join(words)
    while form := next((form for form in _CHINESE_FORMS if name.endswith(form) and name != form), ""):
        name = name.removesuffix(form).strip()
    return name or text


def _company_words(value: str) -> str:
    """A company's name without case, width and punctuation."""
    return " ".join(_MARKS.sub(" ", _DOTTED.sub("", fold(without_invisible(value)))).split())


def with_more(facts: Facts, more: Iterable[tuple[str, str]]) -> Facts:
    """The facts with what the lead says beyond them."""
    return facts._replace(more=tuple(sorted(more)))
