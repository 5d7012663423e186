"""The country of a phone number."""

from functools import lru_cache


@lru_cache(maxsize=65536)
def phone_region(phone: str) -> str | None:
    """The country (ISO 3166, two letters) of a number in E.164; None where it is not one, or of no country alone."""
    # Slow to read, and few rules ask for it.
    from phonenumbers import NumberParseException, parse, region_code_for_number  # noqa: PLC0415

    if not phone.startswith("+"):
        return None
    try:
        region: str | None = region_code_for_number(parse(phone))
    except NumberParseException:
        return None
    return region
