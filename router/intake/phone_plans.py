"""Countries' numbering plans as `phonenumbers` has them, each as one pattern, so that a number is judged quickly. Pure.

A pattern holds only numbers that need none of the rules for prefixes, and that `phonenumbers.is_valid_number` calls
valid. Other numbers may be valid, too: they take the long way. A property test compares both ways.
"""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata

LONGEST_CODE = 3
# Nearly every number of a person is one of the first two.
_KINDS = (
    *("mobile", "fixed_line", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan"),
    "voicemail",
)
# Codes that belong to no country.
_NO_COUNTRY = "001"


@lru_cache(maxsize=512)
def dialled_in(region: str, fewer_digits_than: int) -> re.Pattern[str] | None:
    """National numbers of a country (ISO 3166) as they are dialled in it, without anything before them."""
    meta = PhoneMetadata.metadata_for_region(region, None)
    if meta is None or not _kinds(meta):
        return None
    # With the country's own code before it, it could be another number.
    starts = [meta.national_prefix_for_parsing, meta.international_prefix, str(meta.country_code)]
    none = "".join(f"(?!{start})" for start in starts if start)
    return re.compile(rf"(?=[0-9]{{1,{fewer_digits_than - 1}}}\Z){none}{_area(meta)}", re.ASCII)


@lru_cache(maxsize=1024)
def with_code(code: str) -> re.Pattern[str] | None:
    """Numbers of the countries that have a code, with plus and code; None where no country has it."""
    regions = () if code.startswith("0") else phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    plans = [PhoneMetadata.metadata_for_region(region, None) for region in regions if region != _NO_COUNTRY]
    known = [plan for plan in plans if plan is not None]
    areas = "|".join(filter(None, map(_area, known)))
    if not areas:
        return None
    # All that have a code strip the same from numbers.
    prefix = known[0].national_prefix_for_parsing
    return re.compile(rf"\+{code}{f'(?!{prefix})' if prefix else ''}(?:{areas})", re.ASCII)


def _area(plan: PhoneMetadata) -> str:
    kinds = _kinds(plan)
    return f"(?={plan.leading_digits})(?:{kinds})" if plan.leading_digits and kinds else kinds and f"(?:{kinds})"


def _kinds(meta: PhoneMetadata) -> str:
    described = [getattr(meta, kind) for kind in _KINDS]
    patterns = [one.national_number_pattern for one in described if one is not None]
    return "|".join(f"(?:{pattern})" for pattern in patterns if pattern)
